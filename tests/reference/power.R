# p values of lmerTest, pbkrtest and likelihood ratios for responses simulated by lme4: what simr does
# to each of its draws. Writes power.json; needs lme4, lmerTest, pbkrtest, jsonlite.
#
#     Rscript tests/reference/power.R > tests/reference/power.json
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest)})

# The best fit that any of three optimisers finds: each gets stuck now and then.
best <- function(formula, data, reml, control) {
  others <- list(control, lmerControl(calc.derivs = FALSE),
                 lmerControl("Nelder_Mead", optCtrl = list(FtolAbs = 1e-12, XtolRel = 1e-10)))
  fits <- lapply(others, function(one) {
    # The data stand in the call, where methods of lmerTest look for them.
    suppressWarnings(suppressMessages(eval(bquote(
      lmerTest::lmer(.(formula), data, REML = .(reml), control = one)
    ))))
  })
  fits[[which.max(sapply(fits, logLik))]]
}

highest <- function(formula, data, control) as.numeric(logLik(best(formula, data, FALSE, control)))

tested <- function(formula, data, term, count, seed) {
  fit <- lmerTest::lmer(formula, data, REML = TRUE)
  set.seed(seed)
  responses <- stats::simulate(fit, count)
  control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
                         check.conv.singular = "ignore")
  rows <- lapply(responses, function(y) {
    own <- data
    own[[as.character(formula[[2]])]] <- round(y, 6)
    whole <- best(formula, own, TRUE, control)
    s <- coef(summary(whole, ddf = "Satterthwaite"))[term, ]
    k <- coef(summary(whole, ddf = "Kenward-Roger"))[term, ]
    without <- update(formula, paste(". ~ . -", term))
    ratio <- max(0, 2 * (highest(formula, own, control) - highest(without, own, control)))
    list(y = own[[as.character(formula[[2]])]], singular = isSingular(whole, tol = 1e-5),
         estimate = s[["Estimate"]], std_error = s[["Std. Error"]],
         satterthwaite = list(df = s[["df"]], p = s[["Pr(>|t|)"]]),
         kenward_roger = list(df = k[["df"]], std_error = k[["Std. Error"]], p = k[["Pr(>|t|)"]]),
         lrt = pchisq(ratio, 1, lower.tail = FALSE))
  })
  list(formula = deparse(formula), term = term, data = as.list(data), draws = unname(rows))
}

sleep <- subset(sleepstudy, Subject %in% levels(Subject)[1:8])
sleep$Subject <- as.character(sleep$Subject)
crossed <- expand.grid(x = c(-0.5, 0.5), item = paste0("i", 1:6), subject = paste0("s", 1:8),
                       stringsAsFactors = FALSE)
set.seed(1)
crossed$y <- round(10 + crossed$x + rep(rnorm(8, 0, 2), each = 12) +
                     rep(rep(rnorm(6), each = 2), 8) + rnorm(96), 6)
cat(jsonlite::toJSON(list(
  sleep = tested(Reaction ~ Days + (Days | Subject), sleep, "Days", 8, 3),
  crossed = tested(y ~ x + (1 + x | subject) + (1 | item), crossed, "x", 8, 4)
), auto_unbox = TRUE, digits = 10), "\n")
