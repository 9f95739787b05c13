//! The batches of one window, which come group by group.

use std::collections::HashSet;
use std::mem;

use kapacitor_guest::prelude::*;

/// A group in a window.
#[derive(Debug)]
pub struct Member {
    /// The point that stands for its batch, with its features as fields.
    pub point: NewPoint,
    /// The numbers by which it is compared.
    pub features: Vec<f64>,
}

/// The groups of the window that is collected, and which groups that of before had.
#[derive(Debug, Default)]
pub struct Window {
    /// The end of the window; `None` before the first one.
    tmax: Option<i64>,
    /// In the order in which they came.
    members: Vec<Member>,
    /// The ids of the groups that have come.
    here: HashSet<String>,
    /// The ids of the groups that the window before had.
    expected: HashSet<String>,
    /// How many of the expected groups have not come.
    missing: usize,
    /// Whether the members have been taken.
    is_over: bool,
    /// Number of batches in a row that were of an older window.
    late: usize,
    /// Number of windows in a row that had a single group, and another one than the window before.
    lonely: usize,
}

/// The number of lonely windows in a row that is worth a warning.
const LONELY: usize = 8;

/// The least number of late batches in a row before the window of the last of them is believed.
const BELIEVED: usize = 8;

impl Window {
    /// Adds the batch of a group with the end of its window, and hands the members of windows that are complete to
    /// `compare`: of the one before, if this is of a newer one, and of this one, if all groups have come that the
    /// window before had.
    ///
    /// # Errors
    ///
    /// A skip if the window is over, if it has the group already, or if it has `most` groups. Batches of older
    /// windows that come more often in a row than there are groups, and than eight, were right, and a wrong time in
    /// the future came before them: then the window begins anew with the last of them.
    pub fn add(
        &mut self,
        id: &str,
        tmax: i64,
        member: Member,
        most: usize,
        mut compare: impl FnMut(Vec<Member>) -> Result<()>,
    ) -> Result<()> {
        let newest = *self.tmax.get_or_insert(tmax);
        if tmax > newest {
            compare(self.end())?;
            self.warn_if_lonely();
            self.begin(tmax);
        } else if tmax < newest {
            self.late += 1;
            if self.late <= BELIEVED.max(self.here.len()).max(self.expected.len()) {
                return Err(Error::skip("a batch of a newer window came before this one"));
            }
            self.end();
            // Those that were expected still are.
            self.here = mem::take(&mut self.expected);
            self.begin(tmax);
        }
        self.late = 0;
        if self.here.len() >= most {
            return Err(Error::skip(format!("the window has {most} groups already")));
        }
        if !self.here.insert(id.to_owned()) {
            return Err(Error::skip("the window has a batch of this group already"));
        }
        if self.is_over {
            return Err(Error::skip(
                "the groups were compared before this one came, which was not in the window before",
            ));
        }
        self.members.push(member);
        self.missing -= usize::from(self.expected.contains(id));
        if self.missing == 0 && !self.expected.is_empty() {
            compare(self.end())?;
        }
        Ok(())
    }

    /// Ends the window; returns its members, unless they were returned before.
    fn end(&mut self) -> Vec<Member> {
        self.is_over = true;
        mem::take(&mut self.members)
    }

    /// Says that groups are never in the same window, if that is so.
    fn warn_if_lonely(&mut self) {
        let is_lonely = self.here.len() == 1 && self.expected.len() == 1 && self.here != self.expected;
        self.lonely = if is_lonely { self.lonely + 1 } else { 0 };
        if self.lonely == LONELY {
            warn!(
                "the batches of different groups have different ends, so none are compared: windows need `.align()`"
            );
        }
    }

    /// Begins a window, which expects the groups of the one before.
    fn begin(&mut self, tmax: i64) {
        self.expected = mem::take(&mut self.here);
        self.missing = self.expected.len();
        (self.tmax, self.is_over) = (Some(tmax), false);
    }
}
