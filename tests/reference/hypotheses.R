# Tests of fixed effects by lmerTest and pbkrtest, written to hypotheses.json beside this file.
#
# Rerun from the root of the repository (R with lmerTest, pbkrtest and jsonlite):
#
#     Rscript tests/reference/hypotheses.R tests/reference/hypotheses.json
#
# The data are those of unbalanced.R. lmerTest takes derivatives by differences at lme4's optimum,
# whose tolerance is set to 1e-10: degrees of freedom are good to some 1e-5, F to 1e-6.

suppressMessages({
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})

target <- commandArgs(trailingOnly = TRUE)
stopifnot(length(target) == 1)

source("tests/reference/unbalanced.R")

control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10), calc.derivs = FALSE,
                       check.rankX = "message+drop.cols")
fitted_model <- function(formula, d, reml = TRUE, weights = NULL) {
  d$w_ <- if (is.null(weights)) rep(1, nrow(d)) else weights
  m <- suppressMessages(lmer(as.formula(formula), d, REML = reml, weights = w_, control = control))
  m
}

D <- made()
out <- list(
  source = paste("R", R.version$major, R.version$minor, "lmerTest", packageVersion("lmerTest"),
                 "pbkrtest", packageVersion("pbkrtest")),
  rows = nrow(D), sum_y = sum(D$y), anova = list(), coefficients = list())

forms <- c("y ~ f * g + (1 | s)", "y ~ f * x + g + (1 | s)", "y ~ f * g + x * z + (1 | s)",
           "y ~ f + x + z + (1 + z | s)")
for (form in forms) for (coding in c("treatment", "sum")) {
  options(contrasts = c(paste0("contr.", coding), "contr.poly"))
  m <- fitted_model(form, D)
  for (type in c("I", "II", "III")) for (ddf in c("Satterthwaite", "Kenward-Roger")) {
    a <- as.data.frame(suppressWarnings(suppressMessages(anova(m, type = type, ddf = ddf))))
    out$anova[[length(out$anova) + 1]] <- list(
      formula = form, coding = coding, type = type, df = tolower(ddf), term = I(rownames(a)),
      num_df = I(a$NumDF), den_df = I(a$DenDF), statistic = I(a[["F value"]]))
  }
}
options(contrasts = c("contr.treatment", "contr.poly"))
for (form in c("y ~ f + x + z + (1 + z | s)", "y ~ f * g + (1 | s)", "y ~ x + (1 + z || s)"))
  for (reml in c(TRUE, FALSE)) for (weighted in c(FALSE, TRUE)) {
    m <- fitted_model(form, D, reml, if (weighted) D$w else NULL)
    t <- coef(summary(m))
    out$coefficients[[length(out$coefficients) + 1]] <- list(
      formula = form, reml = reml, weighted = weighted, df_method = "satterthwaite",
      term = I(rownames(t)), std_error = I(t[, "Std. Error"]), df = I(t[, "df"]))
    if (reml && !weighted) {
      t <- coef(summary(m, ddf = "Kenward-Roger"))
      out$coefficients[[length(out$coefficients) + 1]] <- list(
        formula = form, reml = reml, weighted = weighted, df_method = "kenward-roger",
        term = I(rownames(t)), std_error = I(t[, "Std. Error"]), df = I(t[, "df"]))
    }
  }
writeLines(toJSON(out, digits = 12, auto_unbox = TRUE, pretty = FALSE), target)
