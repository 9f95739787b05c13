//! Files that are no plugins are refused, and a file that was replaced is noticed.
