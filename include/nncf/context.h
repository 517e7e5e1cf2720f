/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file context.h
 * @brief How the library allocates, logs, uses threads and draws random numbers.
 *
 * A context is optional: NULL is accepted wherever a context is, and means the defaults.
 * Contexts are independent of each other. A context must outlive every object made with it. A
 * context serves one thread at a time (its threads and scratch memory work on one call): models
 * that run concurrently need contexts of their own.
 *
 * Stack: a call needs at most 64 KiB on the thread that makes it, not counting the host's
 * callbacks. Threads that the library makes have the system's default.
 *
 * After fork() the child may keep using a context unless another thread was inside a call on it.
 * The context's threads stay in the parent: in the child its calls run on the calling thread, with
 * the same results. A context that the child creates has threads as usual.
 */
#ifndef NNCF_CONTEXT_H
#define NNCF_CONTEXT_H

#include <nncf/base.h>

NNCF_BEGIN_DECLS

/** Opaque. Made by nncf_context_create(). @since 0.1 */
typedef struct nncf_context nncf_context;

/** Instruction set: one of NNCF_ISA_.... @since 0.1 */
typedef int32_t nncf_isa;
/** Instruction sets, for nncf_context_params::max_isa. @since 0.1 */
enum {
    /** the best one that the CPU has (default) */
    NNCF_ISA_BEST = 0,
    /** the plain loops that everything else is tested against: slow */
    NNCF_ISA_REFERENCE = 1,
    /** C for the compiler's baseline, SSE2 on x86-64 */
    NNCF_ISA_PORTABLE = 2,
    /** AVX2 and FMA */
    NNCF_ISA_AVX2 = 3,
    /** AVX-512 F, BW, DQ, VL */
    NNCF_ISA_AVX512 = 4,
    /** NEON, which every AArch64 CPU has */
    NNCF_ISA_NEON = 5,
    NNCF_ISA_SENTINEL = 0x7fffffff
};

/** Level of a log line: one of NNCF_LOG_.... @since 0.1 */
typedef int32_t nncf_log_level;
/** Levels of a log line. @since 0.1 */
enum {
    /** a call failed; the line gives the reason */
    NNCF_LOG_ERROR = 1,
    /** succeeded, but the result is probably unintended */
    NNCF_LOG_WARNING = 2,
    /** what was chosen */
    NNCF_LOG_INFO = 3,
    /** what happens inside */
    NNCF_LOG_DEBUG = 4,
    NNCF_LOG_SENTINEL = 0x7fffffff
};

/**
 * @brief Parameters of a context. Zero, NULL: the default. @since 0.1
 */
typedef struct nncf_context_params {
    /** NNCF_PARAMS(nncf_context_params) */
    size_t struct_size;
    /** key of every random number that the library draws; default 0 */
    uint64_t seed;
    /** threads that work on one call, 1..256; default: the processors this process may run on */
    int32_t n_threads;
    /**
     * NNCF_ISA_ ceiling; the environment variable NNCF_MAX_ISA (reference, portable, avx2, avx512,
     * neon) lowers it further. One of another family of CPUs is NNCF_ISA_PORTABLE: NNCF_ISA_NEON on
     * x86, NNCF_ISA_AVX2 and NNCF_ISA_AVX512 on AArch64
     */
    nncf_isa max_isa;
    /** Allocate `size` (> 0) bytes aligned to `align` (a power of two, at least sizeof(void *));
       NULL when there is no memory. Give both alloc and free or neither. */
    void *(*alloc)(void *user, size_t size, size_t align);
    /** Give back what alloc returned, with the size of that call. */
    void (*free)(void *user, void *ptr, size_t size);
    /** first argument of alloc and free */
    void *alloc_user;
    /** Receives one finished line without a newline, on the thread that made the call. A refused
     * call logs "call: message" as NNCF_LOG_ERROR, whether or not it was given an nncf_error;
     * getters (but for nncf_layer_get_mask(), nncf_layer_get_output_shape() and
     * nncf_model_get_memory()) and calls that return a text do not, nor do calls without a context
     * (a NULL object, nncf_scope_matches()). Default: silence. */
    void (*log)(void *user, nncf_log_level level, const char *line);
    /** first argument of log */
    void *log_user;
    /** messages above this level are discarded unformatted; default NNCF_LOG_WARNING */
    nncf_log_level log_level;
    /**
     * 1: products of integer codes run on floating-point kernels even where integer kernels
     * (AVX-512 VNNI, AVX-VNNI, AVX2, AArch64 dotprod, i8mm) are faster. The results are the same
     * bits: for comparison. The environment variable NNCF_DISABLE_INT8=1 does the same
     */
    int32_t disable_int8;
    /** The host's own threads: call fn(arg, i) exactly once for every i in 0..n-1, in any order, on
       any thread, and return when all have returned. With it the library makes no threads of its
       own. Results do not depend on it. */
    void (*parallel_for)(void *user, size_t n, void (*fn)(void *arg, size_t i), void *arg);
    /** first argument of parallel_for */
    void *parallel_user;
} nncf_context_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_context_params_init(nncf_context_params *params, size_t struct_size);

/**
 * @brief Make a context.
 * @param api_version NNCF_API_VERSION
 * @param params NULL for all defaults
 * @param[out] context the new context; destroy it after every object made with it
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_VERSION headers and library do not fit; NNCF_E_ARG; NNCF_E_NOMEM
 * @par Ownership the caller owns the context; the callbacks' user pointers stay the caller's.
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_context_create(uint32_t api_version, const nncf_context_params *params,
    nncf_context **context, nncf_error *err);

/**
 * @brief Destroy a context and its threads. NULL is fine.
 * @param context nullable
 * @par Threads no other call may be using it.
 * @since 0.1
 */
NNCF_API void nncf_context_destroy(nncf_context *context);

/**
 * @brief One line with the choices that were made: library version, instruction set, BLIS version
 * and sub-configuration, integer kernels, threads.
 * @param context nullable
 * @return text borrowed from the context; NULL for a NULL context
 * @par Threads any.
 * @since 0.1
 */
NNCF_API const char *nncf_context_get_description(const nncf_context *context);

NNCF_END_DECLS
#endif
