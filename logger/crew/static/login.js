// Login page: its texts.
import "/texts.js";
