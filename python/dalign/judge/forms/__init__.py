"""The kinds of questions that a judge is asked: one file each says how it is put and how a reply is read."""
