//! No session waits for a disk.
