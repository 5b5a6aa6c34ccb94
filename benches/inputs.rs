//! Seeded inputs.
