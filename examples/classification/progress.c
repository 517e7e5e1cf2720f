/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <math.h>
#include <string.h>

enum { BAR = 24 };

progress progress_make(FILE *file, bool terminal, int64_t print_freq)
{
    return (progress){.file = file, .terminal = terminal, .print_freq = print_freq};
}

void progress_begin_epoch(progress *p, int64_t epoch, int64_t epochs, int64_t steps, int64_t steps_after)
{
    p->epoch = epoch;
    p->epochs = epochs;
    p->steps = steps;
    p->steps_after = steps_after;
    p->started = app_seconds();
    p->last_drawn = 0.0;
}

void progress_clear(progress *p)
{
    if (p->bar_shown)
        fputs("\r\033[K", p->file);
    p->bar_shown = false;
    fflush(p->file);
}

/* 75 -> "1:15", 4000 -> "1:06:40" */
static const char *clock_text(double seconds, char *text, size_t size)
{
    long long s = seconds > 0.0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%lld:%02lld", s / 60, s % 60);
    return text;
}

static void draw_bar(progress *p, const step_report *r)
{
    char bar[BAR + 1], eta[24];
    double now = app_seconds(), mean = (now - p->started) / (double)r->step;
    int filled = (int)(r->step * BAR / p->steps);
    if (now - p->last_drawn < 0.1 && r->step != p->steps)
        return;
    p->last_drawn = now;
    memset(bar, ' ', BAR);
    memset(bar, '#', (size_t)filled);
    bar[BAR] = '\0';
    fprintf(p->file, "\r\033[Kepoch %lld/%lld [%s] %lld/%lld  %.1f ms/step  CE %.4f  top-1 %.2f  ETA %s",
            (long long)p->epoch + 1, (long long)p->epochs, bar, (long long)r->step, (long long)p->steps,
            1e3 * r->step_seconds, r->mean_ce_loss, r->top1,
            clock_text(mean * (double)(p->steps - r->step + p->steps_after), eta, sizeof eta));
    p->bar_shown = true;
    fflush(p->file);
}

void progress_step(progress *p, const step_report *r)
{
    if (p->terminal) {
        draw_bar(p, r);
    } else if (r->step % p->print_freq == 0) {
        fprintf(p->file,
                "Epoch [%lld][%lld/%lld] Lr: %.3g Time: %.4f CE_loss: %.4f (%.4f) CR_loss: %.4f Acc@1: %.2f "
                "Acc@5: %.2f\n",
                (long long)p->epoch, (long long)r->step, (long long)p->steps, r->lr, r->step_seconds, r->ce_loss,
                r->mean_ce_loss, r->compression_loss, r->top1, r->top5);
        fflush(p->file);
    }
}

void progress_note(progress *p, const char *what)
{
    if (!p->terminal)
        return;
    fprintf(p->file, "\r\033[K%s ...", what);
    p->bar_shown = true;
    fflush(p->file);
}

/* A column of the row: blank where there is nothing to tell. */
static void cell(FILE *file, int width, int digits, double value)
{
    if (isfinite(value))
        fprintf(file, " %*.*f", width, digits, value);
    else
        fprintf(file, " %*s", width, "-");
}

void progress_end_epoch(progress *p, const epoch_metrics *m, double train_top5)
{
    char spent[24];
    progress_clear(p);
    if (!p->header_shown)
        fprintf(p->file, "epoch       lr  CE loss  RB loss   train top-1/5    test top-1/5  sparsity target/actual "
                         "ms/step   time\n");
    p->header_shown = true;
    fprintf(p->file, "%5lld %8.2g", (long long)m->epoch, m->lr);
    cell(p->file, 8, 4, m->ce_loss);
    cell(p->file, 8, 4, m->compression_loss);
    cell(p->file, 8, 2, m->train_top1);
    cell(p->file, 6, 2, train_top5);
    cell(p->file, 8, 2, m->test_top1);
    cell(p->file, 6, 2, m->test_top5);
    cell(p->file, 15, 4, m->sparsity_target);
    cell(p->file, 7, 4, m->sparsity_actual);
    cell(p->file, 8, 1, 1e3 * m->step_seconds_median);
    fprintf(p->file, " %6s\n", clock_text(app_seconds() - p->started, spent, sizeof spent));
    fflush(p->file);
}
