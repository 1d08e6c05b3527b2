//! Turns Services, EndpointSlices and Ingresses into what the network does.
//!
//! Pure rules compute service rules, the DNS zone and the ingress routes; one loop wakes up when a
//! watch cache changed, computes, and applies the difference.
//!
//! It never watches the API itself (the shared caches do), never writes anything but the status of
//! Ingresses, and writes no files.
