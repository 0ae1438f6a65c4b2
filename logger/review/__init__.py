"""Show the judgement and the comparison: commands, terminal tables, JSON documents, HTML pages and their script."""
