//! Whole jobs through the engine over real sockets.
