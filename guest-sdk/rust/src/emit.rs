//! Points that can be sent.

use crate::buffer::Buffer;
use crate::numbers::POINT;
use crate::numbers::point::NAME;
use crate::point::Point;
use crate::wire;

/// A point that can be sent: a [`Point`] as it came, an [`Edited`](crate::Edited) one, a
/// [`NewPoint`](crate::NewPoint), or a reference to one of them.
///
/// Sealed: a plugin uses it as a bound and can't implement it.
pub trait Emit: Encode {}

impl<T: Encode + ?Sized> Emit for T {}

pub(crate) mod sealed {
    use crate::buffer::Buffer;

    /// The encoding of a point that is sent.
    pub trait Encode {
        /// Appends one frame with the point. If `provides_stream`, a point of a batch gets the
        /// measurement and group that its message lacks.
        fn encode(&self, provides_stream: bool, out: &mut Buffer);

        /// The frame of a point of a stream that is sent as it came.
        fn unchanged(&self) -> Option<&[u8]> {
            None
        }

        /// The frame of a point of a batch that is sent in a batch as it came.
        fn unchanged_in_batch(&self) -> Option<&[u8]> {
            None
        }
    }
}

pub(crate) use sealed::Encode;

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, provides_stream: bool, out: &mut Buffer) {
        (**self).encode(provides_stream, out);
    }

    fn unchanged(&self) -> Option<&[u8]> {
        (**self).unchanged()
    }

    fn unchanged_in_batch(&self) -> Option<&[u8]> {
        (**self).unchanged_in_batch()
    }
}

impl Encode for Point<'_> {
    #[inline]
    fn encode(&self, provides_stream: bool, out: &mut Buffer) {
        match self.batch {
            Some(batch) if provides_stream => {
                let mut context = Buffer::new();
                wire::put_text(NAME, batch.name(), &mut context);
                batch.put_group(&mut context);
                let length = self.bytes.len() + context.len();
                let (point, behind) = wire::frame_of(POINT, length, out).split_at_mut(self.bytes.len());
                point.copy_from_slice(self.bytes);
                behind.copy_from_slice(&context);
            }
            _ => match self.frame {
                Some(frame) => out.append(frame),
                None => wire::put_frame(POINT, self.bytes, out),
            },
        }
    }

    #[inline]
    fn unchanged(&self) -> Option<&[u8]> {
        if self.batch.is_none() { self.frame } else { None }
    }

    #[inline]
    fn unchanged_in_batch(&self) -> Option<&[u8]> {
        self.frame
    }
}
