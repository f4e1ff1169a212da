//! The Bloom front at its work, beside a row of ever larger filters (the named crate's scalable one, with its own
//! hashing) and an exact set of fingerprints.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::hint::black_box;

use ahash::AHasher;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailscan_core::Address;
use mailscan_core::dedup::BloomFront;
use mailscan_core::simulate;
use probabilistic_collections::bloom::ScalableBloomFilter;

const ADDRESSES: usize = 1_000_000;
/// Every tenth mention repeats an address, as in the demo.
const REPEATED: usize = 10;

type ExactSet = HashSet<u64, BuildHasherDefault<AHasher>>;

fn fingerprints() -> Vec<u64> {
    simulate::addresses(1, ADDRESSES as u64).map(|address| address.fingerprint()).collect()
}

/// Asks for each address and notes it, and makes the filter anew when it is full, as the committer does; answers how
/// often a look-up was spared.
fn fill(fingerprints: &[u64]) -> (BloomFront, usize) {
    let (mut front, mut spared) = (BloomFront::new(10_000, 0.01), 0);
    for (place, word) in fingerprints.iter().enumerate() {
        spared += usize::from(front.surely_new(*word));
        front.insert(*word);
        if front.is_full() {
            let mut grown = front.grown();
            fingerprints[..=place].iter().for_each(|word| grown.insert(*word));
            front = grown;
        }
    }
    (front, spared)
}

fn grow(criterion: &mut Criterion) {
    let fingerprints = fingerprints();
    let mut group = criterion.benchmark_group("dedup/ask_and_insert");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES as u64));
    group.bench_function("front", |bench| bench.iter(|| fill(&fingerprints)));
    group.bench_function("scalable", |bench| {
        bench.iter_batched_ref(
            || ScalableBloomFilter::<u64>::new(95_851, 0.01, 2.0, 0.5),
            |filter| {
                for word in &fingerprints {
                    black_box(filter.contains(word));
                    filter.insert(word);
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("exact_set", |bench| {
        bench.iter_batched_ref(
            ExactSet::default,
            |set| fingerprints.iter().filter(|word| set.insert(**word)).count(),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    report(&fingerprints);
}

/// Tells what the filter was good for.
fn report(fingerprints: &[u64]) {
    let (front, spared) = fill(fingerprints);
    let repeats = fingerprints.iter().step_by(REPEATED).filter(|word| front.surely_new(**word)).count();
    let mentions = ADDRESSES + ADDRESSES / REPEATED;
    println!(
        "{mentions} mentions: {spared} look-ups spared ({:.1} %), {} made for new addresses ({:.2} %), {repeats} old ones \
         called new; {:.2} bytes an address",
        spared as f64 * 100.0 / mentions as f64,
        ADDRESSES - spared,
        (ADDRESSES - spared) as f64 * 100.0 / ADDRESSES as f64,
        front.bytes() as f64 / ADDRESSES as f64
    );
}

fn look_up(criterion: &mut Criterion) {
    let fingerprints = fingerprints();
    let (front, _) = fill(&fingerprints);
    let set: ExactSet = fingerprints.iter().copied().collect();
    let strangers: Vec<u64> = fingerprints.iter().map(|word| word.rotate_left(32) ^ 1).collect();
    let mut group = criterion.benchmark_group("dedup/look_up_new");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES as u64));
    group.bench_function("front", |bench| {
        bench.iter(|| strangers.iter().filter(|word| front.surely_new(black_box(**word))).count());
    });
    group.bench_function("exact_set", |bench| {
        bench.iter(|| strangers.iter().filter(|word| !set.contains(black_box(*word))).count());
    });
    group.finish();
}

fn fingerprint(criterion: &mut Criterion) {
    let addresses: Vec<Address> = simulate::addresses(1, 200_000).collect();
    let mut group = criterion.benchmark_group("dedup/fingerprint");
    group.sample_size(10).throughput(Throughput::Elements(addresses.len() as u64));
    group.bench_function("fold_and_xxh3", |bench| {
        bench.iter(|| addresses.iter().map(|address| black_box(address).fingerprint()).fold(0, |a, b| a ^ b));
    });
    group.finish();
}

criterion_group!(benches, grow, look_up, fingerprint);
criterion_main!(benches);
