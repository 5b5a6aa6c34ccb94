"""A run on disk: folders of stages, tables in parts, what was asked before, files that appear whole and are checked before they are read."""
