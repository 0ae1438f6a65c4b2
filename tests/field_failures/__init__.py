"""Field failures F1 to F24: one file per way in which loggers fail, each provoked and tested."""
