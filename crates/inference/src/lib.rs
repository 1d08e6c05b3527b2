//! inference: see ARCHITECTURE.md.
