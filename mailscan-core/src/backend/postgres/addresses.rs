//! The set union of addresses: what is new, what is known, what comes too late.
//!
//! Whoever adds to a job holds its row, so the jobs of a batch are locked in the order of their ids, and the count, the
//! ids and the target need no further care. A batch names each address and each source once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::convert::{bits, int, limit, owned, text};
use super::failure::Failure;
use super::fronts::{Fronts, Learned, NEAR, Verdict};
use super::transaction::{Operation, Statement, Transaction};
use crate::address::{Address, fingerprint_of};
use crate::error::{ErrorKind, Result};
use crate::job::JobId;
use crate::store::{Inserted, Sighting};

use super::Postgres;

/// How many fingerprints one look brings.
const PAGE: usize = 10_000;

/// The different addresses of a batch in one job.
#[derive(Debug, Default)]
struct Part {
    identities: Vec<String>,
    fingerprints: Vec<i64>,
    /// As written, where that is not the identity.
    emails: Vec<Option<String>>,
    /// The number of the source among `names`, from 1.
    sources: Vec<i32>,
    places: Vec<i64>,
    forms: Vec<&'static str>,
    classes: Vec<i32>,
    names: Vec<String>,
    verdict: Verdict,
}

/// A batch of sightings.
#[derive(Debug, Default)]
pub(super) struct Insert {
    parts: BTreeMap<JobId, Part>,
    /// The job and the address of each input, and whether the input is the first of it.
    inputs: Vec<(JobId, usize, bool)>,
}

impl Part {
    /// Notes an address; its place, and whether it is the first.
    fn add<'a>(&mut self, sighting: &'a Sighting, names: &mut HashMap<(JobId, &'a str), i32>) {
        let address = &sighting.address;
        let (identity, email) = (owned(&address.identity()), text(address.as_str()));
        self.emails.push((*email != identity).then(|| email.into_owned()));
        self.fingerprints.push(bits(fingerprint_of(identity.as_bytes())));
        self.identities.push(identity);
        let source = *names.entry((sighting.job, &*sighting.source)).or_insert_with(|| {
            self.names.push(owned(&sighting.source));
            i32::try_from(self.names.len()).unwrap_or(i32::MAX)
        });
        self.sources.push(source);
        self.places.push(int(sighting.offset));
        self.forms.push(sighting.form.as_str());
        self.classes.push(i32::from(sighting.classes.bits()));
    }

    fn statement(&self, job: JobId) -> Statement {
        Statement::new(sql!("address_insert"))
            .int(int(job.0))
            .texts(self.identities.clone())
            .maybe_texts(self.emails.clone())
            .smalls(self.sources.clone())
            .ints(self.places.clone())
            .names(self.forms.clone())
            .smalls(self.classes.clone())
            .texts(self.names.clone())
            .ints(self.fingerprints.clone())
            .int(self.verdict.known)
            .bools(self.verdict.absent.clone())
            .int(NEAR)
            .int(self.verdict.server)
    }
}

/// What became of a batch, and what that tells of its jobs.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) inserted: Vec<Inserted>,
    pub(super) learned: Vec<(JobId, Learned)>,
}

impl Insert {
    fn new<'a>(sightings: impl Iterator<Item = &'a Sighting>, fronts: &Fronts) -> Self {
        let mut insert = Self::default();
        let (mut known, mut names) = (HashMap::new(), HashMap::new());
        for sighting in sightings {
            let part = insert.parts.entry(sighting.job).or_default();
            let next = part.identities.len();
            let at = *known.entry((sighting.job, sighting.address.identity())).or_insert(next);
            insert.inputs.push((sighting.job, at, at == next));
            if at == next {
                part.add(sighting, &mut names);
            }
        }
        for (job, part) in &mut insert.parts {
            part.verdict = fronts.judge(*job, &part.fingerprints);
        }
        insert
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// A statement that locks the jobs, one that tells which were deleted, and one for each job.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let jobs: Vec<_> = self.parts.keys().map(|job| int(job.0)).collect();
        let lock = Statement::new(sql!("job_lock")).ints(jobs.clone());
        let deleted = Statement::new(sql!("deleted_of")).ints(jobs);
        [lock, deleted].into_iter().chain(self.parts.iter().map(|(job, part)| part.statement(*job))).collect()
    }

    /// What became of each input, by what the statements answered.
    pub(super) fn spread(&self, answers: &[Vec<tokio_postgres::Row>]) -> Result<Answer, Failure> {
        let ids = |answer: usize| -> Result<Vec<i64>, Failure> {
            let rows = answers.get(answer).map_or(&[][..], Vec::as_slice);
            Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
        };
        let (found, deleted) = (ids(0)?, ids(1)?);
        let is_missing = |job: &&JobId| !found.contains(&int(job.0)) && !deleted.contains(&int(job.0));
        if let Some(job) = self.parts.keys().find(is_missing) {
            return Err(Failure::Own(ErrorKind::NotFound, format!("there is no job {job}")));
        }
        let (mut fates, mut learned) = (BTreeMap::new(), Vec::new());
        for ((job, part), rows) in self.parts.iter().zip(answers.iter().skip(2)) {
            let usual = if deleted.contains(&int(job.0)) { Inserted::OverTarget } else { Inserted::Known };
            let mut fate = vec![usual; part.identities.len()];
            for row in rows {
                for (column, inserted) in [(0, Inserted::New), (1, Inserted::OverTarget)] {
                    for nth in row.try_get::<_, Vec<i64>>(column)? {
                        let at = usize::try_from(nth - 1).unwrap_or(usize::MAX);
                        if let Some(fate) = fate.get_mut(at) {
                            *fate = inserted;
                        }
                    }
                }
                if let Some(collected) = row.try_get(2)? {
                    let new = part.fingerprints.iter().zip(&fate).filter(|(_, fate)| **fate == Inserted::New);
                    let added = new.map(|(fingerprint, _)| *fingerprint).collect();
                    let (number, later, server) = (part.verdict.number, row.try_get(3)?, row.try_get(4)?);
                    learned.push((*job, Learned { number, server, collected, later, added }));
                }
            }
            fates.insert(*job, fate);
        }
        let one = |(job, at, first): &(JobId, usize, bool)| match fates.get(job).and_then(|fate| fate.get(*at)) {
            Some(Inserted::New) if !first => Inserted::Known,
            Some(inserted) => *inserted,
            None => Inserted::Known,
        };
        Ok(Answer { inserted: self.inputs.iter().map(one).collect(), learned })
    }
}

impl Operation for Insert {
    type Output = Answer;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Answer, Failure> {
        let answers = transaction.run(&self.statements()).await?;
        self.spread(&answers)
    }
}

impl Postgres {
    /// A batch to be inserted, with what this process knows of its addresses.
    pub(super) async fn batch<'a>(&self, sightings: impl Iterator<Item = &'a Sighting> + Clone) -> Result<Insert> {
        for job in sightings.clone().map(|sighting| sighting.job).collect::<BTreeSet<_>>() {
            self.catch_up(job).await?;
        }
        Ok(Insert::new(sightings, &self.shared.fronts))
    }

    /// Notes what an insertion told, once it is committed.
    pub(super) fn learn(&self, learned: &[(JobId, Learned)]) {
        learned.iter().for_each(|(job, learned)| self.shared.fronts.learn(*job, learned));
    }

    pub(super) async fn known_addresses(&self, job: JobId, addresses: &[Address]) -> Result<Vec<bool>> {
        let mut known = vec![false; addresses.len()];
        if addresses.is_empty() {
            return Ok(known);
        }
        let identities: Vec<_> = addresses.iter().map(|address| owned(&address.identity())).collect();
        let fingerprints = identities.iter().map(|identity| bits(fingerprint_of(identity.as_bytes()))).collect();
        let known_ones = Statement::new(sql!("address_known")).int(int(job.0)).texts(identities).ints(fingerprints);
        let rows = self.query("known", known_ones).await?;
        for row in &rows {
            let place = self.made("known", super::convert::place(row, 0))?;
            if let Some(known) = known.get_mut(place) {
                *known = true;
            }
        }
        Ok(known)
    }

    pub(super) async fn all_fingerprints<T>(&self, job: JobId, mut sum: T, add: fn(&mut T, u64)) -> Result<T> {
        let mut after = 0;
        while let Some((last, fingerprints)) = self.fingerprints_behind(job, after).await? {
            after = last;
            fingerprints.into_iter().for_each(|fingerprint| add(&mut sum, fingerprint.cast_unsigned()));
        }
        Ok(sum)
    }

    /// The fingerprints of some addresses of a job that come behind an id, with the id of the last; `None` where no
    /// address does.
    pub(super) async fn fingerprints_behind(&self, job: JobId, id: i64) -> Result<Option<(i64, Vec<i64>)>> {
        let page = Statement::new(sql!("address_fingerprints")).int(int(job.0)).int(id).int(limit(PAGE));
        let rows = self.query("fingerprints", page).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = || Ok(row.try_get::<_, Option<i64>>(0)?.zip(row.try_get(1)?));
        self.made("fingerprints", read())
    }
}

/// An address read back.
pub(super) fn parse(email: &str) -> Result<Address, Failure> {
    Address::parse(email).ok_or_else(|| Failure::corrupt("address", email))
}

/// Gives neighbours that share their source one name in memory.
#[derive(Debug, Default)]
pub(super) struct Names(Option<Arc<str>>);

impl Names {
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *name => last.clone(),
            _ => self.0.insert(Arc::from(name)).clone(),
        }
    }
}
