//! Why a BoltDB file is not read.

use std::fmt;
use std::io;

use thiserror::Error;

/// Why a BoltDB file is not read. Each is said of the file, as in "x.db is damaged".
#[derive(Debug, Error)]
pub enum BoltError {
    /// What the system says.
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// A process has it open to write.
    #[error("is in use by another process")]
    InUse,
    /// It does not begin like one.
    #[error("is not a BoltDB file")]
    NotBolt,
    /// It is of a format that is not known.
    #[error("is a BoltDB file of version {0}, and only version 2 is known")]
    Version(u32),
    /// A part of it can't be right.
    #[error("is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// What can't be right in a BoltDB file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Damage {
    /// The checksums of both meta pages are wrong.
    #[error("neither of its meta pages is whole")]
    Meta,
    /// The page size is none that is known.
    #[error("it says that its pages have {0} bytes")]
    PageSize(u32),
    /// A page begins or ends after the file's end.
    #[error("{0} lies outside of the file")]
    Outside(Place),
    /// Two pages name the same page, or a page names one that it belongs to.
    #[error("{0} is used twice")]
    UsedTwice(Place),
    /// A page is not the one that it should be.
    #[error("{place} says that it is page {says}")]
    Number {
        /// Where it lies.
        place: Place,
        /// The number that it has.
        says: u64,
    },
    /// A page of a bucket is neither a branch nor a leaf.
    #[error("{0} is neither a branch nor a leaf")]
    Kind(Place),
    /// A key or a value lies outside of its page, or overlaps with another.
    #[error("an entry of {0} does not lie within its page")]
    Element(Place),
    /// The keys are not in order.
    #[error("the keys of {0} are not in order")]
    Order(Place),
    /// The value of a bucket is too short to be one.
    #[error("a bucket has no header")]
    Bucket,
}

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A page of the file, by its number.
    Page(u64),
    /// The page of a small bucket, within a page of the bucket around it.
    Inline,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(number) => write!(f, "page {number}"),
            Self::Inline => f.write_str("an inline page"),
        }
    }
}
