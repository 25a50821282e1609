# Predictions of held-out rows by lme4, and their log density by dense linear algebra.
#
#     Rscript tests/reference/crossvalidation.R > tests/reference/crossvalidation.json
#
# Data: sleepstudy (rows 1 to 20 held out: two subjects; or every tenth row from the fourth on) and
# Penicillin (rows 1 to 6: a plate; or every seventh row), both of lme4. Fits by maximum likelihood.

suppressMessages(library(lme4))

tight <- lmerControl(
  optimizer = "nloptwrap", calc.derivs = FALSE,
  optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5)
)

# Density of held-out rows given the others, with the parameters of a fit to the others.
density_of <- function(fit, formula, data, held) {
  whole <- lFormula(formula, data, REML = FALSE)
  devfun <- do.call(mkLmerDevfun, whole)
  devfun(getME(fit, "theta"))
  pp <- environment(devfun)$pp
  half <- as.matrix(t(pp$LamtUt))
  variance <- sigma(fit)^2 * (half %*% t(half) + diag(nrow(data)))
  rest <- model.response(whole$fr) - as.vector(whole$X %*% fixef(fit))
  block <- variance[held, -held] %*% solve(variance[-held, -held])
  mean <- block %*% rest[-held]
  left <- variance[held, held] - block %*% variance[-held, held]
  root <- chol((left + t(left)) / 2)
  z <- backsolve(root, rest[held] - mean, transpose = TRUE)
  -length(held) / 2 * log(2 * pi) - sum(log(diag(root))) - sum(z^2) / 2
}

# lme4 stops about 1e-8 of deviance early; two steps of Newton's method by central differences end it.
refined <- function(formula, data) {
  parsed <- lFormula(formula, data, REML = FALSE)
  devfun <- do.call(mkLmerDevfun, parsed)
  theta <- getME(lmer(formula, data, REML = FALSE, control = tight), "theta")
  k <- length(theta)
  h <- 1e-4
  unit <- function(i) replace(numeric(k), i, h)
  for (step in 1:3) {
    gradient <- sapply(1:k, function(i) (devfun(theta + unit(i)) - devfun(theta - unit(i))) / 2 / h)
    hessian <- outer(1:k, 1:k, Vectorize(function(i, j) {
      a <- 10 * unit(i)
      b <- 10 * unit(j)
      (devfun(theta + a + b) - devfun(theta + a - b) - devfun(theta - a + b) +
        devfun(theta - a - b)) / (400 * h^2)
    }))
    theta <- theta - solve(hessian, gradient)
  }
  value <- devfun(theta)
  mkMerMod(
    environment(devfun), list(par = unname(theta), fval = value, conv = 0, message = ""),
    parsed$reTrms, fr = parsed$fr
  )
}

one <- function(name, formula, data, held) {
  fit <- refined(formula, data[-held, ])
  mean <- predict(fit, data[held, ], allow.new.levels = TRUE)
  cat(sprintf(
    '  "%s": {"objective": %.10f, "log_density": %.10f, "mean": [%s]}', name,
    -2 * as.numeric(logLik(fit)), density_of(fit, formula, data, held),
    paste(sprintf("%.10f", mean), collapse = ", ")
  ))
}

full <- Reaction ~ 1 + Days + (1 + Days | Subject)
zero <- Reaction ~ 1 + Days + (1 + Days || Subject)
crossed <- diameter ~ 1 + (1 | plate) + (1 | sample)
tenth <- seq(4, 180, by = 10)
cat("{\n")
cat(sprintf('  "source": "lme4 %s, R %s",\n', packageVersion("lme4"), getRversion()))
one("sleepstudy full new", full, sleepstudy, 1:20); cat(",\n")
one("sleepstudy zerocorr new", zero, sleepstudy, 1:20); cat(",\n")
one("sleepstudy full known", full, sleepstudy, tenth); cat(",\n")
one("sleepstudy zerocorr known", zero, sleepstudy, tenth); cat(",\n")
one("Penicillin full new", crossed, Penicillin, 1:6); cat(",\n")
one("Penicillin full known", crossed, Penicillin, seq(1, 144, by = 7)); cat("\n}\n")
