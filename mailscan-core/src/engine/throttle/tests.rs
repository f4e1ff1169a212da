//! The gate under what the system may say, one sample after the other.

use proptest::prelude::*;

use super::*;

const FINE: Signals = Signals { memory: 0.3, own: 0, room: u64::MAX, cpu: 0.5, disk: Some(u64::MAX), in_flight: 100 };

fn after(gate: &mut Gate, signals: Signals) -> (usize, Option<Hold>) {
    gate.sense(signals);
    (gate.places, gate.hold)
}

#[test]
fn nothing_is_held_while_all_is_well() {
    let mut gate = Gate::new(100, 10, 1);
    assert_eq!(after(&mut gate, FINE), (100, None));
    assert_eq!(after(&mut gate, Signals { cpu: 1.0, ..FINE }), (100, None), "it has all places");
    assert_eq!(after(&mut gate, Signals { disk: None, memory: 0.8, ..FINE }), (100, None));
}

#[test]
fn tight_memory_takes_places_and_gives_them_back_slowly() {
    let mut gate = Gate::new(160, 10, 1);
    let tight = Signals { memory: 0.9, ..FINE };
    assert_eq!(after(&mut gate, tight), (75, Some(Hold::Memory { percent: 90 })), "three quarters of those in use");
    assert_eq!(after(&mut gate, tight).0, 56);
    assert_eq!(after(&mut gate, Signals { memory: 0.8, ..FINE }).0, 58, "a few more in between");
    assert_eq!(after(&mut gate, Signals { memory: 0.8, cpu: 0.95, ..FINE }).0, 58, "not while they are busy");
    assert_eq!(after(&mut gate, Signals { memory: 0.96, ..FINE }).0, 0);
    for _ in 0..PATIENCE {
        gate.sense(Signals { memory: 0.99, room: 0, in_flight: 0, ..FINE });
    }
    assert_eq!(gate.places, 1, "nothing is gained by standing still");
    assert_eq!(
        after(&mut gate, Signals { memory: 0.86, in_flight: 0, ..FINE }).0,
        1,
        "it never stands still below full"
    );
    assert_eq!(after(&mut gate, FINE).0, 11);
    assert_eq!(after(&mut gate, Signals { cpu: 1.0, ..FINE }), (11, Some(Hold::Cpu)));
}

#[test]
fn busy_processors_take_places_until_they_have_just_enough_to_do() {
    let mut gate = Gate::new(16_000, 10, 2);
    let busy = Signals { cpu: 1.0, in_flight: 8_000, ..FINE };
    assert_eq!(after(&mut gate, busy), (16_000, None), "a moment of work is none too much");
    assert_eq!(after(&mut gate, busy), (16_000, None));
    assert_eq!(after(&mut gate, busy), (7_500, Some(Hold::Cpu)), "of those in flight, not of those allowed");
    assert_eq!(after(&mut gate, Signals { in_flight: 7_500, ..busy }).0, 7_032);
    assert_eq!(after(&mut gate, Signals { cpu: 0.95, ..busy }), (7_032, Some(Hold::Cpu)), "enough to do");
    assert_eq!(after(&mut gate, FINE), (8_032, None), "and more where they have less");
    for _ in 0..100 {
        let in_flight = gate.places;
        gate.sense(Signals { in_flight, ..busy });
    }
    assert_eq!(gate.places, 2 * PER_PROCESSOR, "answers that come at once keep them busy with few");
    let mut small = Gate::new(100, 10, 2);
    (0..10).for_each(|_| small.sense(busy));
    assert_eq!((small.places, small.hold), (100, None));
}

#[test]
fn only_what_this_process_takes_of_the_processors_counts() {
    let load =
        |cpu, process_cpu, processors| own_load(&Resources { cpu, process_cpu, processors, ..Resources::default() });
    assert_eq!((load(1.0, 1.2, 2.0), load(1.0, 0.9, 2.0), load(0.03, 2.0, 2.0)), (1.0, 0.0, 1.0));
    assert_eq!((load(0.1, 0.5, 0.5), load(0.1, 0.97, 1.5) < BUSY), (1.0, true), "parts of one as well");
    assert_eq!(own_load(&Resources::default()), 0.0);
}

#[test]
fn places_are_given_out_only_for_memory_that_is_there() {
    let mut gate = Gate::new(10_000, 10, 1);
    let tight = Some(Hold::Memory { percent: 30 });
    assert_eq!(after(&mut gate, Signals { room: 150 * UNKNOWN_FETCH, in_flight: 0, ..FINE }), (150, tight));
    // Few that are in flight for a moment tell nothing.
    let large = Signals { own: 100 << 20, room: 50 << 20, ..FINE };
    assert_eq!(after(&mut gate, Signals { in_flight: 20, ..large }), (120, tight));
    // What is in flight takes a megabyte each, and later less again.
    assert_eq!(after(&mut gate, large), (150, tight));
    assert_eq!(after(&mut gate, Signals { own: 0, ..large }), (153, tight));
    (0..100).for_each(|_| {
        let in_flight = gate.places;
        gate.sense(Signals { own: 0, in_flight, ..large });
    });
    assert_eq!(gate.fetch, FETCH);
    let resources = Resources { memory: 40, memory_used: 50, memory_limit: 100, ..Resources::default() };
    assert_eq!(memory_of(&resources, None), (0.5, 35));
    assert_eq!(memory_of(&resources, Some(50)), (0.8, 2));
    assert_eq!(memory_of(&Resources::default(), None), (0.0, u64::MAX));
    let addresses = Resources { address_space: 80, address_space_limit: 100, ..resources };
    assert_eq!(memory_of(&addresses, None), (0.8, 5));
    let around = Resources { nearest_used: 900, nearest_limit: 1_000, ..resources };
    assert_eq!(memory_of(&around, None), (0.9, 0), "a container is within another");
}

/// What a machine of 64 GiB says of which others use so much, and of so many fetches in flight that take a megabyte each.
fn shared(others: f64, in_flight: usize) -> Signals {
    let all = 64.0 * f64::from(1 << 30);
    let own = (in_flight as u64) << 20;
    let used = others * all + own as f64;
    let room = (TIGHT * all - used).max(0.0) as u64;
    Signals { memory: used / all, own, room, in_flight, ..FINE }
}

#[test]
fn what_a_moment_took_comes_back_where_the_memory_is_used_by_others() {
    let mut gate = Gate::new(2_048, 10, 2);
    let moments =
        [shared(0.87, 0), Signals { memory: 0.97, room: 0, ..FINE }, Signals { disk: Some(0), ..shared(0.78, 0) }];
    for moment in moments {
        gate.sense(shared(0.78, 0));
        (0..40).for_each(|_| gate.sense(moment));
        assert!(gate.places <= 1, "{moment:?}");
        for _ in 0..SLOWLY {
            let in_flight = gate.places;
            gate.sense(shared(0.78, in_flight));
        }
        assert_eq!((gate.places, gate.hold), (2_048, None), "{moment:?}");
    }
}

#[test]
fn places_come_near_to_tight_memory_and_stay_there() {
    // There is room for 1,311 fetches until it is tight.
    let mut gate = Gate::new(4_096, 10, 2);
    let signals = |gate: &Gate| shared(0.83, gate.places);
    (0..40).for_each(|_| gate.sense(Signals { in_flight: 0, ..shared(0.9, 0) }));
    for second in 0..3_600 {
        gate.sense(signals(&gate));
        assert!(signals(&gate).memory < TIGHT, "after {second} s");
    }
    assert!((1_250..=1_311).contains(&gate.places), "{}", gate.places);
}

#[test]
fn a_full_disk_stops_everything_until_there_is_room_again() {
    let mut gate = Gate::new(100, 1_000 << 20, 1);
    let (places, hold) = after(&mut gate, Signals { disk: Some(900 << 20), ..FINE });
    assert_eq!(places, 0);
    let line = hold.unwrap().to_string();
    assert_eq!(line, "disk: 900 MiB are left where the database is; free 1100 MiB to go on");
    assert_eq!(after(&mut gate, Signals { disk: Some(1_500 << 20), ..FINE }).0, 0, "no flutter");
    assert!(after(&mut gate, Signals { disk: Some(2_000 << 20), ..FINE }).0 > 0);
}

proptest! {
    #[test]
    fn places_stay_within_bounds_and_only_a_hold_stops(
        most in 1usize..5_000,
        samples in prop::collection::vec((0.0..1.2f64, 0.0..1.0f64, 0u64..40, 0usize..5_000), 0..200),
    ) {
        let mut gate = Gate::new(most, 10, 2);
        for (memory, cpu, disk, in_flight) in samples {
            gate.sense(Signals { memory, cpu, disk: Some(disk), in_flight, ..FINE });
            prop_assert!(gate.places <= most);
            prop_assert!(gate.places > 0 || gate.hold.is_some());
        }
        for _ in 0..20 {
            gate.sense(FINE);
        }
        prop_assert_eq!((gate.places, gate.hold), (most, None));
    }
}
