//! network: see ARCHITECTURE.md.
