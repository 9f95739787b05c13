//! Comparing and copying a few bytes.
//!
//! Names of fields and tags are short. In a WebAssembly module a call to `memcmp` or `memcpy` costs
//! more than the work that it does on them, so both are done in place, by whole words.

/// Whether two names are equal.
#[inline(always)]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // All whole words, then the last eight bytes, which may overlap the word before them.
        (Some(last_a), Some(last_b)) => {
            let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            last_a == last_b && words.into_iter().all(|(a, b)| a == b)
        }
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

/// Copies a name to the front of `room`, which must be at least as long.
#[inline(always)]
pub fn copy_short(name: &[u8], room: &mut [u8]) {
    let room = &mut room[..name.len()];
    if name.len() > 16 {
        room.copy_from_slice(name);
    } else if !copy_ends::<8>(name, room) && !copy_ends::<4>(name, room) && !copy_ends::<2>(name, room) {
        copy_ends::<1>(name, room);
    }
}

/// Copies the first `N` and the last `N` bytes, which may overlap. Returns false if there are fewer
/// than `N`.
#[inline(always)]
fn copy_ends<const N: usize>(bytes: &[u8], room: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
        return false;
    };
    if let Some(room) = room.first_chunk_mut() {
        *room = *first;
    }
    if let Some(room) = room.last_chunk_mut() {
        *room = *last;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{copy_short, same};

    #[test]
    fn names_of_every_length_are_compared_and_copied() {
        let name: Vec<u8> = (1..=40).collect();
        for length in 0..=name.len() {
            let name = &name[..length];
            let mut room = vec![0; length + 3];
            copy_short(name, &mut room);
            assert_eq!(room, [name, &[0; 3]].concat());
            assert!(same(name, &room[..length]));
            assert!(!same(name, &room));
            for at in 0..length {
                let mut other = name.to_vec();
                other[at] ^= 0x80;
                assert!(!same(name, &other), "length {length}, byte {at}");
            }
        }
    }
}
