# Estimated marginal means and their differences by emmeans, written to means.json beside this file.
#
# Rerun from the root of the repository (R with lmerTest, pbkrtest, emmeans and jsonlite):
#
#     Rscript tests/reference/means.R tests/reference/means.json
#
# The data are those of unbalanced.R: one combination of f and g never occurs.

suppressMessages({
  library(lmerTest)
  library(emmeans)
  library(jsonlite)
})

target <- commandArgs(trailingOnly = TRUE)
stopifnot(length(target) == 1)

source("tests/reference/unbalanced.R")

D <- made()
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10), calc.derivs = FALSE)
cases <- list(
  list("y ~ f + g + x * z + (1 | s)", "f", NULL, NULL),
  list("y ~ f * x + g + (1 | s)", "f", "g", NULL),
  list("y ~ f * x + g + (1 | s)", "f", "x", list(x = c(0, 40, 90))),
  list("y ~ f * x + g + (1 | s)", c("f", "g"), NULL, NULL),
  list("y ~ f * g + (1 | s)", "f", "g", NULL),
  list("y ~ f * g + (1 | s)", "f", NULL, NULL),
  list("y ~ poly(x, 2) + f + log(w) + (1 | s)", "f", NULL, NULL),
  list("y ~ poly(x, 2) + f + log(w) + (1 | s)", "x", NULL, list(x = c(10, 50, 90))),
  list("y ~ 0 + f + z + (1 | s)", "f", NULL, NULL))
out <- list(source = paste("emmeans", packageVersion("emmeans")), cases = list())
options(contrasts = c("contr.treatment", "contr.poly"))
vec <- function(x) I(as.numeric(x))
for (case in cases) {
  m <- suppressMessages(lmer(as.formula(case[[1]]), D, control = control))
  for (df in c("satterthwaite", "kenward-roger")) for (weights in c("equal", "proportional")) {
    if (weights == "proportional" && df == "kenward-roger") next
    e <- suppressMessages(emmeans(m, case[[2]], by = case[[3]], at = case[[4]], lmer.df = df,
                                  weights = weights))
    t <- as.data.frame(confint(e))
    row <- list(formula = case[[1]], of = I(case[[2]]), by = case[[3]], at = case[[4]], df = df,
                weights = weights,
                keys = lapply(t[c(case[[2]], case[[3]])], function(k) I(as.character(k))),
                mean = vec(t$emmean), std_error = vec(t$SE), dof = vec(t$df),
                lower = vec(t$lower.CL), upper = vec(t$upper.CL), pairs = list())
    for (adjust in c("tukey", "holm", "bonferroni", "none")) {
      p <- as.data.frame(suppressMessages(summary(pairs(e), adjust = adjust, infer = c(TRUE, TRUE))))
      row$pairs[[adjust]] <- list(estimate = vec(p$estimate), std_error = vec(p$SE), dof = vec(p$df),
                                  lower = vec(p$lower.CL), upper = vec(p$upper.CL),
                                  p = vec(p$p.value))
    }
    out$cases[[length(out$cases) + 1]] <- row
  }
}
writeLines(toJSON(out, digits = 10, auto_unbox = TRUE, na = "null", null = "null"), target)
