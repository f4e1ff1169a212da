//! The lanes of a job: one for each worker of its plan, and which of them takes the next task. Pure.
//!
//! The dispatcher takes a lane with every task that it hands over, the worker gives it back when the task has ended. The
//! lane with the fewest tasks is always the next, so that no worker has two while another has none: what a worker does one
//! after another, such as calls and extraction, is done by as many as there are.

/// No lane.
const NONE: u32 = u32::MAX;

/// How many tasks each lane has, and the lanes of each number of tasks in the order in which they came to it.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// By number of tasks.
    rows: Vec<Row>,
    /// No row before this one holds a lane.
    lowest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    tasks: usize,
    before: u32,
    after: u32,
}

/// A list of lanes that are linked to each other.
#[derive(Clone, Copy, Debug)]
struct Row {
    first: u32,
    last: u32,
    length: usize,
}

impl Row {
    const EMPTY: Self = Self { first: NONE, last: NONE, length: 0 };
}

/// Which lane to take of those that have equally few tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one whose task ended last: its memory is still near the processor.
    Warmest,
    /// The one that has been so for longest: its worker may call again before the others.
    Longest,
}

impl Lanes {
    /// So many lanes, at least one, without tasks.
    pub(super) fn new(count: u32) -> Self {
        let count = count.clamp(1, NONE - 1);
        let lane = Lane { tasks: 0, before: NONE, after: NONE };
        let mut lanes = Self { lanes: vec![lane; count as usize], rows: vec![Row::EMPTY], lowest: 0 };
        (0..count).for_each(|lane| lanes.append(lane, 0));
        lanes
    }

    /// Gives a task to a lane that has the fewest; answers which.
    pub(super) fn take(&mut self, choice: Choice) -> u32 {
        while self.rows[self.lowest].length == 0 {
            self.lowest += 1;
        }
        let row = &self.rows[self.lowest];
        let lane = match choice {
            Choice::Warmest => row.last,
            Choice::Longest => row.first,
        };
        self.move_to(lane, self.lowest + 1);
        lane
    }

    /// Notes that a task of this lane has ended.
    pub(super) fn give_back(&mut self, lane: u32) {
        let fewer = self.lanes[lane as usize].tasks.saturating_sub(1);
        self.move_to(lane, fewer);
        self.lowest = self.lowest.min(fewer);
    }

    /// How many lanes have tasks.
    pub(super) fn busy(&self) -> usize {
        self.lanes.len() - self.rows[0].length
    }

    fn move_to(&mut self, lane: u32, tasks: usize) {
        self.remove(lane);
        if tasks == self.rows.len() {
            self.rows.push(Row::EMPTY);
        }
        self.append(lane, tasks);
    }

    fn remove(&mut self, lane: u32) {
        let Lane { tasks, before, after } = self.lanes[lane as usize];
        self.rows[tasks].length -= 1;
        match before {
            NONE => self.rows[tasks].first = after,
            before => self.lanes[before as usize].after = after,
        }
        match after {
            NONE => self.rows[tasks].last = before,
            after => self.lanes[after as usize].before = before,
        }
    }

    fn append(&mut self, lane: u32, tasks: usize) {
        let before = std::mem::replace(&mut self.rows[tasks].last, lane);
        self.rows[tasks].length += 1;
        match before {
            NONE => self.rows[tasks].first = lane,
            before => self.lanes[before as usize].after = lane,
        }
        self.lanes[lane as usize] = Lane { tasks, before, after: NONE };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_lane_has_two_tasks_while_another_has_none() {
        let mut lanes = Lanes::new(3);
        assert_eq!([(); 4].map(|()| lanes.take(Choice::Longest)), [0, 1, 2, 0]);
        assert_eq!(lanes.busy(), 3);
        lanes.give_back(1);
        assert_eq!(lanes.busy(), 2);
        assert_eq!(lanes.take(Choice::Longest), 1);
    }

    #[test]
    fn a_page_goes_to_the_warmest_lane_and_a_call_to_the_one_that_rested_longest() {
        let mut lanes = Lanes::new(3);
        (0..3).for_each(|lane| assert_eq!(lanes.take(Choice::Longest), lane));
        [1, 0, 2].into_iter().for_each(|lane| lanes.give_back(lane));
        assert_eq!(lanes.take(Choice::Warmest), 2);
        assert_eq!(lanes.take(Choice::Longest), 1);
    }

    proptest! {
        #[test]
        fn loads_stay_balanced_and_counted(
            count in 1u32..20,
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 0..300),
        ) {
            let mut lanes = Lanes::new(count);
            let mut held: Vec<u32> = Vec::new();
            for (take, longest, which) in steps {
                let tasks = |lane: u32| held.iter().filter(|held| **held == lane).count();
                let fewest = (0..count).map(tasks).min().unwrap();
                if take || held.is_empty() {
                    let lane = lanes.take(if longest { Choice::Longest } else { Choice::Warmest });
                    prop_assert_eq!(tasks(lane), fewest);
                    held.push(lane);
                } else {
                    lanes.give_back(held.swap_remove(which.index(held.len())));
                }
                let busy = (0..count).filter(|lane| held.contains(lane)).count();
                prop_assert_eq!(lanes.busy(), busy);
            }
        }
    }
}
