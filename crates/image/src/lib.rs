//! image: see ARCHITECTURE.md.
