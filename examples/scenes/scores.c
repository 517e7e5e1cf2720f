/* SPDX-License-Identifier: Apache-2.0 */
#include "scores.h"

#include <math.h>
#include <stdlib.h>

void confusion_add(confusion *c, const uint8_t *truth, const uint8_t *predicted, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        c->count[truth[i]][predicted[i]]++;
}

double confusion_mean_iou(const confusion *c)
{
    double sum = 0.0;
    int classes = 0;
    for (int k = 0; k < SEGMENTATION_CLASSES; k++) {
        int64_t truth = 0, predicted = 0;
        for (int j = 0; j < SEGMENTATION_CLASSES; j++) {
            truth += c->count[k][j];
            predicted += c->count[j][k];
        }
        const int64_t either = truth + predicted - c->count[k][k];
        if (either > 0) {
            sum += (double)c->count[k][k] / (double)either;
            classes++;
        }
    }
    return sum / classes;
}

double confusion_accuracy(const confusion *c)
{
    int64_t right = 0, all = 0;
    for (int k = 0; k < SEGMENTATION_CLASSES; k++)
        for (int j = 0; j < SEGMENTATION_CLASSES; j++) {
            all += c->count[k][j];
            right += k == j ? c->count[k][j] : 0;
        }
    return (double)right / (double)all;
}

static double area(const scene_box *b)
{
    return b->x1 > b->x0 && b->y1 > b->y0 ? (double)(b->x1 - b->x0) * (double)(b->y1 - b->y0) : 0.0;
}

double box_iou(const scene_box *a, const scene_box *b)
{
    const scene_box both = {
        fmaxf(a->x0, b->x0), fmaxf(a->y0, b->y0), fminf(a->x1, b->x1), fminf(a->y1, b->y1), 0};
    const double shared = area(&both), either = area(a) + area(b) - shared;
    return either > 0.0 ? shared / either : 0.0;
}

/* By falling score; of equal ones by image, so that the order does not depend on the sort. */
static int by_score(const void *a, const void *b)
{
    const detection *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->image > y->image) - (x->image < y->image);
}

size_t detections_suppress(detection *d, size_t n, double most)
{
    size_t kept = 0;
    qsort(d, n, sizeof *d, by_score);
    for (size_t i = 0; i < n; i++) {
        bool keep = true;
        for (size_t k = 0; k < kept && keep; k++)
            keep = d[k].image != d[i].image || d[k].box.class != d[i].box.class ||
                box_iou(&d[k].box, &d[i].box) <= most;
        if (keep)
            d[kept++] = d[i];
    }
    return kept;
}

/* Average precision of one class. `found`: marks of true boxes, cleared; `precision`: room for n.
 */
static double class_ap(const detection *d, size_t n, const detection *truth, size_t n_truth,
    int class, double least, bool *found, double *precision, double *recall)
{
    size_t points = 0, hits = 0, wanted = 0;
    for (size_t t = 0; t < n_truth; t++)
        wanted += truth[t].box.class == class;
    for (size_t i = 0; i < n; i++) {
        size_t best = n_truth;
        double best_iou = 0.0;
        if (d[i].box.class != class)
            continue;
        for (size_t t = 0; t < n_truth; t++) {
            const double iou =
                truth[t].image == d[i].image && truth[t].box.class == class ? box_iou(&truth[t].box,
                                                                                  &d[i].box)
                                                                            : 0.0;
            if (iou > best_iou) {
                best = t;
                best_iou = iou;
            }
        }
        if (best < n_truth && best_iou >= least && !found[best]) {
            found[best] = true;
            hits++;
        }
        precision[points] = (double)hits / (double)(points + 1);
        recall[points++] = (double)hits / (double)wanted;
    }
    double sum = 0.0;
    for (size_t i = points; i-- > 0;) { /* the best precision from here on */
        if (i + 1 < points)
            precision[i] = fmax(precision[i], precision[i + 1]);
        sum += precision[i] * (recall[i] - (i > 0 ? recall[i - 1] : 0.0));
    }
    return sum;
}

double detections_mean_ap(
    detection *d, size_t n, const detection *truth, size_t n_truth, double least, nncf_error *err)
{
    bool *found = calloc(n_truth + 1, sizeof *found);
    double *curve = calloc(2 * n + 2, sizeof *curve), sum = 0.0;
    int classes = 0;
    qsort(d, n, sizeof *d, by_score);
    for (int class = 0; class < SCENE_CLASSES && found != NULL && curve != NULL; class ++) {
        size_t wanted = 0;
        for (size_t t = 0; t < n_truth; t++)
            wanted += truth[t].box.class == class;
        if (wanted == 0)
            continue;
        classes++;
        sum += class_ap(d, n, truth, n_truth, class, least, found, curve, curve + n + 1);
    }
    if (found == NULL || curve == NULL)
        app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the precision of %zu detections", n);
    free(found);
    free(curve);
    return classes > 0 ? sum / classes : (double)NAN;
}
