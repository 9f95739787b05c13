//! Trees and their nodes, as they lie in a file.

/// The output of a tree whose leaves have a number for each output.
pub(super) const ALL: u32 = u32::MAX;

/// A node: a threshold or the value of a leaf as `f64`, the place of the right child or of a vector as `u32`, the feature
/// as `u16`, and flags as `u16`. Little endian, as everything. The left child is the next node.
#[derive(Clone, Copy)]
pub(super) struct Node([u8; 16]);

impl Node {
    const LEAF: u32 = 1 << 16;
    const MISSING_LEFT: u32 = 1 << 17;

    #[inline(always)]
    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The threshold; of a leaf, what it adds.
    #[inline(always)]
    pub(super) fn value(self) -> f64 {
        f64::from_le_bytes(*self.0.first_chunk().expect("16 bytes"))
    }

    /// The place of the right child; of a leaf, that of a vector.
    #[inline(always)]
    pub(super) fn place(self) -> usize {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    /// The feature, and the flags above it.
    #[inline(always)]
    fn word(self) -> u32 {
        u32::from_le_bytes(*self.0.last_chunk().expect("16 bytes"))
    }

    #[inline(always)]
    pub(super) fn feature(self) -> usize {
        (self.word() & 0xffff) as usize
    }

    #[inline(always)]
    pub(super) fn is_leaf(self) -> bool {
        self.word() & Self::LEAF != 0
    }

    #[inline(always)]
    pub(super) fn missing_left(self) -> bool {
        self.word() & Self::MISSING_LEFT != 0
    }

    /// Whether flags are set that this version does not know.
    pub(super) fn has_unknown_flags(self) -> bool {
        self.word() & !0xffff & !Self::LEAF & !Self::MISSING_LEFT != 0
    }
}

/// A tree: its first node, and the output that it adds to, or [`ALL`].
#[derive(Clone, Copy)]
pub(super) struct Tree([u8; 8]);

impl Tree {
    #[inline(always)]
    pub(super) fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(super) fn first(self) -> usize {
        u32::from_le_bytes(*self.0.first_chunk().expect("8 bytes")) as usize
    }

    pub(super) fn output(self) -> u32 {
        u32::from_le_bytes(*self.0.last_chunk().expect("8 bytes"))
    }
}
