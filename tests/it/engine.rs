//! Whole jobs through the engine: a scripted fetcher on a paused clock for the rules, faults for what goes wrong.

mod balance;
mod calls;
mod crashes;
mod desk;
mod faults;
mod losses;
mod rules;
mod script;
mod silence;
mod slow_jobs;
mod throttle;
