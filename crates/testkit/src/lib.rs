//! A simulated cluster, and the properties that every decider must have in it.
