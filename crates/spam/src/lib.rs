//! A classifier of unwanted mail: what a message looks like, learnt from mail that people called
//! junk and mail that they kept.
//!
//! Invariants: pure; no I/O, clock or log. Counts are asked for and given back by hash, so that
//! whoever calls decides where they are stored. Work and memory are bounded by limits.
