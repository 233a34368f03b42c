"""What `dragoman new` copies has tests too; they run in the projects that it makes (see tests/)."""

collect_ignore = ["src"]
