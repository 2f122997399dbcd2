//! What a server does with the Manifests of ebuild repositories, and with the two names of distfiles.

/// The flat name of a distfile and the one in the hashed layout.
mod layouts;
/// Transfers and hits of distfiles that Manifests list.
mod listed;
