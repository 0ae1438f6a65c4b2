"""The command line: the table of verbs, and the verbs `check` and `import`."""
