//! Groups without end need bounded memory.
