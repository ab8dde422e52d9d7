//! The binary `palomar`.

fn main() {}
