/* SPDX-License-Identifier: Apache-2.0 */
/* Data parallel training by MPI: mpirun -n 4 nncf-mpi --config FILE. Each process has the whole net
 * and its part of every batch; with one process the same training on the same batches. */
#include "net.h"
#include "parts.h"
#include "ranks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "nncf-mpi: trains a small net on made-up pictures, on as many processes as mpirun starts\n"
    "  --config FILE     what is compressed; default: rb_sparsity and int8\n"
    "  --batch N         rows of a batch, of all processes together; default 48\n"
    "  --steps N         default 20;  --epoch N: steps of an epoch, default 5\n"
    "  --width N         channels of the first layer; default 16\n"
    "  --threads N       of each process; default 1\n"
    "  --parts N         of a process's rows, each on a thread with a replica; default 1.\n"
    "                    With more, batch norm normalizes each part on its own\n"
    "  --snapshot FILE   written by rank 0 after each epoch, and at the end\n"
    "  --resume          begin with the snapshot\n"
    "  --fail RANK STEP  for tests: that process is killed in that step\n";

static const char default_config[] =
    "{\"compression\": [{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "
    "\"sparsity_target\": 0.5, \"sparsity_steps\": 4, \"sparsity_training_steps\": 8}}, "
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 96}}}]}";

typedef struct options {
    const char *config, *snapshot;
    long batch, steps, epoch, width, threads, parts, fail_rank, fail_step;
    int resume;
} options;

typedef struct run {
    options o;
    MPI_Comm comm;
    int rank, size;
    nncf_context *context;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
    net net;
    parts parts; /* the others */
    gradients gradients;
    int64_t step; /* the first one */
} run;

static int parse(options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--batch", &o->batch}, {"--steps", &o->steps}, {"--epoch", &o->epoch},
        {"--width", &o->width}, {"--threads", &o->threads}, {"--parts", &o->parts}};
    *o = (options){.batch = 48,
        .steps = 20,
        .epoch = 5,
        .width = 16,
        .threads = 1,
        .parts = 1,
        .fail_rank = -1};
    for (int i = 1; i < argc; i++) {
        int known = 0;
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers && i + 1 < argc; j++)
            if (strcmp(argv[i], numbers[j].name) == 0) {
                *numbers[j].value = strtol(argv[++i], NULL, 10);
                known = *numbers[j].value > 0;
                break;
            }
        if (known)
            continue;
        if (strcmp(argv[i], "--resume") == 0)
            o->resume = 1;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            o->config = argv[++i];
        else if (strcmp(argv[i], "--snapshot") == 0 && i + 1 < argc)
            o->snapshot = argv[++i];
        else if (strcmp(argv[i], "--fail") == 0 && i + 2 < argc) {
            o->fail_rank = strtol(argv[++i], NULL, 10);
            o->fail_step = strtol(argv[++i], NULL, 10);
        } else
            return 0;
    }
    return !o->resume || o->snapshot;
}

/* mpirun ends the others when one has failed. */
static char ended[160];
static void on_term(int number)
{
    const ssize_t written = write(STDERR_FILENO, ended, strlen(ended));
    (void)written;
    _exit(128 + number);
}

static void on_log(void *user, nncf_log_level level, const char *line)
{
    const run *r = user;
    if (level <= NNCF_LOG_WARNING && (r->rank == 0 || level == NNCF_LOG_ERROR))
        fprintf(stderr, "nncf-mpi: rank %d: %s\n", r->rank, line);
}

#define CHECK(call)                                                                                \
    do {                                                                                           \
        const nncf_status checked = (call);                                                        \
        if (checked != NNCF_OK)                                                                    \
            return checked;                                                                        \
    } while (0)

static nncf_status save(run *r, nncf_error *err)
{
    nncf_checkpoint_tensor tensors[LAYERS * ARRAYS];
    CHECK(nncf_model_average_statistics(r->net.model, err)); /* every rank */
    if (r->rank != 0 || !r->o.snapshot)
        return NNCF_OK;
    const size_t n = net_tensors(&r->net, tensors);
    return nncf_checkpoint_save(r->ctrl, r->o.snapshot, tensors, n, NULL, err);
}

/* Every rank reads it. */
static nncf_status resume(run *r, nncf_error *err)
{
    nncf_checkpoint_tensor tensors[LAYERS * ARRAYS];
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_checkpoint *file = NULL;
    nncf_status status = nncf_checkpoint_open(r->context, r->o.snapshot, NULL, &file, err);
    if (status == NNCF_OK)
        status = nncf_checkpoint_read(file, tensors, net_tensors(&r->net, tensors), err);
    if (status == NNCF_OK)
        status = nncf_checkpoint_restore(file, r->ctrl, NULL, NULL, err);
    nncf_checkpoint_close(file);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_get_statistics(r->ctrl, &s, err);
    r->step = s.step;
    if (status == NNCF_OK && r->rank == 0)
        printf("resumed at step %lld\n", (long long)r->step);
    return status;
}

static nncf_status set_up(run *r, nncf_error *err)
{
    const nncf_context_params c = {NNCF_PARAMS(nncf_context_params), .seed = 42,
        .n_threads = (int32_t)r->o.threads, .log = on_log, .log_user = r};
    CHECK(nncf_context_create(NNCF_API_VERSION, &c, &r->context, err));
    if (r->o.config)
        CHECK(nncf_config_load(r->context, r->o.config, NULL, &r->config, err));
    else
        CHECK(nncf_config_parse(r->context, "default", default_config, sizeof default_config - 1,
            NULL, &r->config, err));
    CHECK(net_create(&r->net, r->context, r->o.batch / r->size / r->o.parts, r->o.width, err));
    r->net.mean_rows = r->o.batch / r->size;
    CHECK(nncf_compression_ctrl_create(r->net.model, r->config, &r->ctrl, err));
    CHECK(nncf_model_set_collective(r->net.model,
        &(nncf_collective_params){NNCF_PARAMS(nncf_collective_params), .rank = r->rank,
            .size = r->size, .all_reduce = ranks_all_reduce, .user = &r->comm,
            .flags = r->o.parts > 1 ? 0 : NNCF_COLLECTIVE_SYNC_BATCH_NORM},
        err));
    CHECK(parts_create(&r->parts, &r->net, r->o.parts - 1, err));
    CHECK(gradients_create(&r->gradients, r->comm, r->net.model, err));
    if (r->o.resume)
        return resume(r, err);
    int32_t more = 0;
    for (int64_t batch = 0;; batch++) {
        CHECK(nncf_compression_ctrl_init_step(r->ctrl, &more, err));
        if (!more)
            return NNCF_OK;
        net_read(&r->net, -1 - batch, r->rank * r->net.mean_rows);
        if (r->o.parts > 1)
            CHECK(parts_run(&r->parts, -1 - batch, r->rank * r->net.mean_rows, NULL, err));
        else
            CHECK(net_forward(&r->net, err));
    }
}

/* One step on this rank's rows; *loss is its own. */
static nncf_status step(run *r, int64_t number, double *loss, nncf_error *err)
{
    const nncf_update_params rates = {NNCF_PARAMS(nncf_update_params), .logit_lr = 500};
    double compression = 0;
    net_read(&r->net, number, r->rank * r->net.mean_rows);
    net_zero_grad(&r->net);
    CHECK(nncf_compression_ctrl_zero_grad(r->ctrl, err));
    if (r->o.parts > 1) {
        CHECK(parts_run(&r->parts, number, r->rank * r->net.mean_rows, loss, err));
    } else {
        CHECK(net_forward(&r->net, err));
        *loss = net_loss(&r->net);
    }
    CHECK(nncf_compression_ctrl_loss_backward(r->ctrl, &compression, err));
    for (int i = LAYERS - 1; i >= 0; i--) { /* what is done is sent while the rest is computed */
        if (r->o.parts == 1)
            CHECK(net_backward(&r->net, i, err));
        CHECK(gradients_send(&r->gradients, r->net.node[i].layer, err));
    }
    CHECK(gradients_wait(&r->gradients, err));
    net_update(&r->net, 0.2f);
    CHECK(nncf_compression_ctrl_update(r->ctrl, &rates, err));
    return nncf_compression_ctrl_step(r->ctrl, err);
}

static nncf_status train(run *r, nncf_error *err)
{
    double loss = 0, begin = MPI_Wtime();
    for (int64_t i = r->step; i < r->step + r->o.steps; i++) {
        snprintf(ended, sizeof ended,
            "nncf-mpi: rank %d: ended in step %lld because another rank has failed; %s%s\n",
            r->rank, (long long)i, r->o.snapshot ? "the last snapshot is " : "there is no snapshot",
            r->o.snapshot ? r->o.snapshot : "");
        if (r->rank == r->o.fail_rank && i == r->o.fail_step)
            raise(SIGKILL);
        CHECK(step(r, i, &loss, err));
        if ((i + 1) % r->o.epoch != 0 && i + 1 != r->step + r->o.steps)
            continue;
        double mean = loss;
        if (ranks_all_reduce(&r->comm, &mean, 1, NNCF_F64, NNCF_REDUCE_SUM) != 0)
            return err->status = NNCF_E_CALLBACK;
        if ((i + 1) % r->o.epoch == 0)
            CHECK(nncf_compression_ctrl_epoch_step(r->ctrl, err));
        CHECK(nncf_model_check_ranks(r->net.model, err));
        CHECK(save(r, err));
        nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
        CHECK(nncf_compression_ctrl_get_statistics(r->ctrl, &s, err));
        if (r->rank == 0)
            printf("step %lld  loss %.5f  sparsity %.4f\n", (long long)i + 1, mean / r->size,
                s.sparsity);
    }
    if (r->rank == 0)
        printf("%d ranks, %.2f ms a step\n", r->size,
            (MPI_Wtime() - begin) * 1e3 / (double)r->o.steps);
    return NNCF_OK;
}

int main(int argc, char **argv)
{
    run r = {.comm = MPI_COMM_NULL};
    nncf_error err = NNCF_ERROR_INIT;
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    r.comm = MPI_COMM_WORLD;
    MPI_Comm_set_errhandler(r.comm, MPI_ERRORS_RETURN); /* so that the library can say where */
    MPI_Comm_rank(r.comm, &r.rank);
    MPI_Comm_size(r.comm, &r.size);
    signal(SIGTERM, on_term);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int ok = parse(&r.o, argc, argv);
    if (!ok || r.o.batch % (r.size * r.o.parts) != 0) {
        if (r.rank == 0)
            fputs(ok ? "nncf-mpi: --batch must be a multiple of the number of processes times "
                       "--parts\n"
                     : help,
                stderr);
        MPI_Finalize();
        return 2;
    }
    nncf_status status = set_up(&r, &err);
    if (status == NNCF_OK)
        status = train(&r, &err);
    if (status != NNCF_OK) {
        fprintf(stderr, "nncf-mpi: rank %d: %s: %s\n", r.rank, nncf_status_message(status),
            err.message);
        MPI_Abort(r.comm, 1); /* the others would wait */
    }
    gradients_destroy(&r.gradients);
    parts_destroy(&r.parts);
    nncf_compression_ctrl_destroy(r.ctrl);
    net_destroy(&r.net);
    nncf_config_destroy(r.config);
    nncf_context_destroy(r.context);
    MPI_Finalize();
    return 0;
}
