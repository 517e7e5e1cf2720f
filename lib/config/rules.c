/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys of an algorithm must be together. */
#include "config/document.h"
#include "config/keys.h"

#include <stdio.h>
#include <string.h>

#define OFFSET(member) offsetof(nncf__algorithm, member)

/* A key that has no effect under this schedule is not an error in NNCF, but rarely what was meant. */
static void warn_about_idle_keys(const nncf__reader *r)
{
    const nncf__document *d = &r->config->document;
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (!r->given[i] || rows[i].schedules == 0 || (rows[i].schedules & 1u << r->algorithm->schedule.kind))
            continue;
        char path[NNCF__PATH_TEXT];
        nncf__place place = nncf__config_place(d, d->nodes[r->given[i]].key_offset);
        nncf__log(r->config->context, NNCF_LOG_WARNING, "%s:%d:%d: %s: has no effect with this schedule", d->name,
                  (int)place.line, (int)place.column, nncf__config_node_path(d, r->given[i], path));
    }
}

static nncf_status check_levels(const nncf__reader *r)
{
    const nncf__schedule_params *p = &r->algorithm->schedule;
    uint32_t init = nncf__reader_given(r, OFFSET(schedule.init));
    uint32_t target = nncf__reader_given(r, OFFSET(schedule.target));
    if (p->init <= p->target)
        return NNCF_OK;
    char init_text[NNCF__DOUBLE_TEXT], target_text[NNCF__DOUBLE_TEXT];
    return nncf__reader_fail(r, NNCF_E_CONFIG, init ? init : target, false,
                             "sparsity_init %s%s is above sparsity_target %s%s, but the level only rises; lower "
                             "sparsity_init or raise sparsity_target",
                             nncf__format_double(p->init, init_text), init ? "" : " (the default)",
                             nncf__format_double(p->target, target_text), target ? "" : " (the default)");
}

static nncf_status check_multistep(nncf__reader *r)
{
    nncf__schedule_params *p = &r->algorithm->schedule;
    uint32_t steps = nncf__reader_given(r, OFFSET(schedule.multistep_steps));
    uint32_t levels = nncf__reader_given(r, OFFSET(schedule.multistep_levels));
    if (p->n_levels != p->n_multistep + 1) {
        uint32_t node = levels ? levels : steps;
        return nncf__reader_fail(r, NNCF_E_CONFIG, node, false,
                                 "%zu level%s%s for %zu step%s%s; there must be %zu, one for the time before the first "
                                 "step and one from each step on",
                                 p->n_levels, p->n_levels == 1 ? "" : "s", levels ? "" : " (the default)",
                                 p->n_multistep, p->n_multistep == 1 ? "" : "s", steps ? "" : " (the default)",
                                 p->n_multistep + 1);
    }
    if (p->n_multistep < 2)
        return NNCF_OK;
    /* NNCF sorts the steps, and not the levels with them. Insertion sort: lists are short and mostly sorted. */
    double *sorted = nncf__config_keep(r->config, p->n_multistep * sizeof(*sorted));
    if (!sorted)
        return nncf__fail(r->err, NNCF_E_NOMEM, r->config->document.name, "out of memory");
    for (size_t i = 0; i < p->n_multistep; i++) {
        size_t j = i;
        for (; j > 0 && sorted[j - 1] > p->multistep_steps[i]; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = p->multistep_steps[i];
    }
    p->multistep_steps = sorted;
    return NNCF_OK;
}

/* Without the section, and with num_init_steps 0, there is no initialization (NNCF 1.0 and 1.1). */
static void resolve_initializer(const nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    bool has_section = false;
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (r->given[i] && rows[i].type == NNCF__KEY_SECTION && strcmp(rows[i].path, "initializer") == 0)
            has_section = true;
    if (!has_section)
        a->num_init_steps = 0;
    if (a->num_init_steps == 0)
        a->range_kind = NNCF__RANGE_NONE;
}

nncf_status nncf__config_check_rules(nncf__reader *r)
{
    nncf_status status = NNCF_OK;
    switch (r->algorithm->kind) {
    case NNCF__RB_SPARSITY:
    case NNCF__MAGNITUDE_SPARSITY:
        status = r->algorithm->schedule.kind == NNCF__MULTISTEP ? check_multistep(r) : check_levels(r);
        if (status == NNCF_OK)
            warn_about_idle_keys(r);
        break;
    case NNCF__QUANTIZATION:
        resolve_initializer(r);
        break;
    default:
        break;
    }
    return status;
}
