/** What UV_THREADPOOL_SIZE must be in the environment of a process that opens a door: its queries run there. */
export const engineThreads = 24;
