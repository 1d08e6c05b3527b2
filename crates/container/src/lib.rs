//! container: see ARCHITECTURE.md.
