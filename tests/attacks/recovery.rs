//! Recovery hurts no other session, and ends.
