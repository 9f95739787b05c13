//! The option `max_groups` of plugins whose states are large.

use std::num::NonZeroUsize;

/// The bytes for groups, of the 64 MiB that `limits.memory` is by default: the rest is for the plugin itself, its input and
/// its output.
const MEMORY: usize = 60 << 20;

/// The most that a plugin keeps if no option says more, as in the SDK.
const MOST: usize = 100_000;

/// The most groups of a task: as many as the option `.max_groups(500)` says. Without it, as many as fit into the default
/// `limits.memory` if each takes `bytes` bytes, at least one and at most 100,000.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// assert_eq!(algorithms::max_groups(None, 60 << 10), 1024);
/// assert_eq!(algorithms::max_groups(None, 1), 100_000);
/// assert_eq!(algorithms::max_groups(None, usize::MAX), 1);
/// assert_eq!(algorithms::max_groups(NonZeroUsize::new(1_000_000), 60 << 10), 1_000_000);
/// ```
pub fn max_groups(given: Option<NonZeroUsize>, bytes: usize) -> usize {
    given.map_or_else(|| (MEMORY / bytes.max(1)).clamp(1, MOST), NonZeroUsize::get)
}
