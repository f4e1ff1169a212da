//! The page over a network that is slow or breaks answers off.
