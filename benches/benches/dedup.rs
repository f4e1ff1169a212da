//! The Bloom front beside the named crate's own hashing and an exact set of fingerprints.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::hint::black_box;

use ahash::AHasher;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailscan_core::Address;
use mailscan_core::dedup::BloomFront;
use mailscan_core::simulate;
use probabilistic_collections::bloom::ScalableBloomFilter;

const ADDRESSES: u64 = 200_000;

type ExactSet = HashSet<u64, BuildHasherDefault<AHasher>>;

fn fingerprints() -> Vec<u64> {
    simulate::addresses(1, ADDRESSES).map(|address| address.fingerprint()).collect()
}

fn insert(criterion: &mut Criterion) {
    let fingerprints = fingerprints();
    let mut group = criterion.benchmark_group("dedup/insert");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES));
    group.bench_function("front", |bench| {
        bench.iter_batched_ref(
            || BloomFront::new(10_000, 0.01),
            |front| fingerprints.iter().for_each(|word| front.insert(*word)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("crate_siphash", |bench| {
        bench.iter_batched_ref(
            || ScalableBloomFilter::<u64>::new(95_851, 0.01, 2.0, 0.5),
            |filter| fingerprints.iter().for_each(|word| filter.insert(word)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("exact_set", |bench| {
        bench.iter_batched_ref(
            ExactSet::default,
            |set| set.extend(fingerprints.iter().copied()),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    let mut front = BloomFront::new(10_000, 0.01);
    fingerprints.iter().for_each(|word| front.insert(*word));
    println!("the front takes {:.2} bytes an address", front.bytes() as f64 / ADDRESSES as f64);
}

fn look_up(criterion: &mut Criterion) {
    let fingerprints = fingerprints();
    let mut front = BloomFront::new(10_000, 0.01);
    fingerprints.iter().for_each(|word| front.insert(*word));
    let set: ExactSet = fingerprints.iter().copied().collect();
    let mut group = criterion.benchmark_group("dedup/look_up");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES));
    group.bench_function("front", |bench| {
        bench.iter(|| fingerprints.iter().filter(|word| front.surely_new(black_box(**word))).count());
    });
    group.bench_function("exact_set", |bench| {
        bench.iter(|| fingerprints.iter().filter(|word| !set.contains(black_box(*word))).count());
    });
    group.finish();
}

fn fingerprint(criterion: &mut Criterion) {
    let addresses: Vec<Address> = simulate::addresses(1, ADDRESSES).collect();
    let mut group = criterion.benchmark_group("dedup/fingerprint");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES));
    group.bench_function("identity_and_xxh3", |bench| {
        bench.iter(|| addresses.iter().map(|address| black_box(address).fingerprint()).fold(0, |a, b| a ^ b));
    });
    group.finish();
}

criterion_group!(benches, insert, look_up, fingerprint);
criterion_main!(benches);
