//! manager: see ARCHITECTURE.md.
