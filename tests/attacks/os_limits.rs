//! The limits of the operating system are known, and a task that does not fit is refused.
