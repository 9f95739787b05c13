//! All that a client and a guest can make the host hold is bounded.
