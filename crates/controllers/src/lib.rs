//! controllers: see ARCHITECTURE.md.
