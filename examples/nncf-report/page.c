/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <math.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";

static const char style[] =
    "</title>\n<style>\n"
    ":root{--paper:#fff;--ink:#1b1f24;--soft:#57606a;--rule:#d5d9de;--c0:#0063a3;--c1:#b84a00;"
    "--c2:#00734f;--c3:#a03c7b;--c4:#7a5c00;--c5:#4b4bb0;--base:#6b7178}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e7ea;--soft:#9aa4ad;"
    "--rule:#363c43;--c0:#5cb8ff;--c1:#ff9a52;--c2:#3fd6a2;--c3:#f2a2d3;--c4:#e8c547;--c5:#a9a9ff;"
    "--base:#8f99a3}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1rem;max-width:1400px;background:var(--paper);color:var(--ink);"
    "font:15px/1.45 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .4rem;"
    "border-bottom:1px solid var(--rule)}p{margin:.4rem "
    "0;max-width:70rem}small,.soft{color:var(--soft)}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr));gap:"
    "1rem}\n"
    ".panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,230px),1fr));gap:."
    "7rem}\n"
    "figure{margin:0;min-width:0}figcaption{font-weight:600;overflow-wrap:anywhere}"
    ".panel figcaption{font-size:.8rem}figcaption "
    "small{font-weight:400}.panel>small{display:block;font-size:.75rem;line-height:1.3}\n"
    "svg{display:block;width:100%;height:auto;font-size:11px}.panel svg{font-size:10px}\n"
    "svg text{fill:var(--ink);font-family:inherit}svg .y{text-anchor:end}svg .x,svg "
    ".l{text-anchor:middle}\n"
    ".grid{stroke:var(--rule);stroke-width:.7}.tick,.axis{stroke:var(--soft);stroke-width:1;fill:"
    "none}\n"
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}.thin{stroke-width:1;opacity:.75}"
    ".base{stroke:var(--base);stroke-width:4.5;opacity:.4;stroke-linecap:round}.m{stroke-width:1.2;"
    "fill:var(--paper)}\n"
    ".s0{stroke:var(--c0);color:var(--c0)}.s1{stroke:var(--c1);color:var(--c1)}.s2{stroke:var(--c2)"
    ";color:var(--c2)}"
    ".s3{stroke:var(--c3);color:var(--c3)}.s4{stroke:var(--c4);color:var(--c4)}.s5{stroke:var(--c5)"
    ";color:var(--c5)}\n"
    ".panel "
    "svg.key{width:25px}.panel>small{margin-top:.1rem}svg.key{display:inline-block;width:34px;"
    "height:12px;vertical-align:-1px;margin-right:.35rem}\n"
    "svg.bar{height:.55rem;min-width:4rem}.bar rect{fill:currentColor;stroke:none}.bar "
    ".f0{color:var(--soft)}td.bars{min-width:8rem;width:30%;vertical-align:middle}.bars "
    "svg{margin-bottom:1px}\n"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.2rem 0 "
    ".5rem;padding:0;font-size:.85rem}\n"
    ".wide{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-size:.85rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;border-bottom:1px solid "
    "var(--rule);"
    "text-align:right;white-space:nowrap;vertical-align:top}th:first-child,td:first-child{text-"
    "align:left;white-space:normal}\n"
    "td.text,th.text{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:8rem}td."
    "name{text-align:left;"
    "white-space:normal;overflow-wrap:anywhere;min-width:9rem}code{font-size:.95em}\n"
    "summary{cursor:pointer;padding:.3rem 0;color:var(--soft)}\n"
    "@media print{details{display:block}}\n"
    "</style></head><body>\n";

void page_cell(FILE *file, double value, const char *format)
{
    if (!isfinite(value)) {
        fputs("<td>–</td>", file);
        return;
    }
    fprintf(file, "<td><data value=\"%.9g\">", value);
/* The formats are constants of this program. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(file, format, value);
#pragma GCC diagnostic pop
    fputs("</data></td>", file);
}

void page_run_headings(FILE *file, const report *all)
{
    for (size_t i = 0; i < all->count; i++) {
        fputs("<th class=\"text\">", file);
        if (all->count > 1)
            chart_key(file, (int)i, false);
        html(file, all->runs[i].label);
        fputs("</th>", file);
    }
}

void page_write(FILE *file, const report *all)
{
    fputs(head, file);
    for (size_t i = 0; i < all->count; i++) {
        if (i > 0)
            fputs(", ", file);
        html(file, all->runs[i].label);
    }
    fputs(" – nncf-report", file);
    fputs(style, file);
    page_summary(file, all);
    page_curves(file, all);
    page_sparsity(file, all);
    page_bytes(file, all);
    page_weights(file, all);
    page_ranges(file, all);
    page_times(file, all);
    page_configs(file, all);
    page_epochs(file, all);
    fputs("</body></html>\n", file);
}
