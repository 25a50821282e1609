# Predictions of held-out rows by generalised models of lme4, and their densities by integrate().
#
#     Rscript tests/reference/glmm_crossvalidation.R > tests/reference/glmm_crossvalidation.json
#
# A linear predictor is normal: modes of a fit to the other rows, and what these leave open, from the
# dense inverse of the penalised information. Data: cbpp, VerbAgg (persons 1 to 60) and grouseticks
# of lme4, epil of MASS. The area under the curve is a rank sum.

suppressMessages(library(lme4))

tight <- glmerControl(
  optimizer = "nloptwrap", calc.derivs = FALSE, tolPwrss = 1e-12,
  optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10, ftol_abs = 1e-11, maxeval = 1e5)
)

predictors <- function(fit, formula, data, held, family) {
  whole <- glFormula(formula, data, family = family)
  eta <- predict(fit, newdata = data, allow.new.levels = TRUE)
  names <- fit@cnms
  theta <- getME(fit, "theta")
  lambdat <- whole$reTrms$Lambdat
  lambdat@x <- theta[whole$reTrms$Lind]
  zt <- as.matrix(lambdat %*% whole$reTrms$Zt)
  mean <- family$linkinv(eta)
  trials <- if (is.matrix(model.response(whole$fr))) rowSums(model.response(whole$fr)) else 1
  # Canonical links: the information is the variance function.
  weight <- trials * family$variance(mean)
  weight[held] <- 0
  h <- diag(nrow(zt)) + zt %*% (weight * t(zt))
  list(mean = unname(eta[held]), variance = unname(colSums(zt[, held] * solve(h, zt[, held]))))
}

one <- function(name, formula, data, held, family, density) {
  fit <- glmer(formula, data[-held, ], family = family, control = tight)
  found <- predictors(fit, formula, data, held, family)
  sd <- sqrt(found$variance)
  whole <- function(f, i) {
    integrate(
      function(z) f(found$mean[i] + sd[i] * z) * dnorm(z), -12, 12,
      rel.tol = 1e-11, subdivisions = 2000L
    )$value
  }
  means <- sapply(seq_along(held), function(i) whole(family$linkinv, i))
  logs <- sapply(seq_along(held), function(i) log(whole(function(eta) density(held[i], eta), i)))
  list <- function(x) paste(sprintf("%.10g", x), collapse = ", ")
  cat(sprintf(
    '  "%s": {"held": [%s], "mean": [%s], "log_density": [%s]}', name,
    list(held - 1), list(means), list(logs)
  ))
  means
}

cat("{\n")
cat(sprintf('  "source": "lme4 %s, R %s",\n', packageVersion("lme4"), getRversion()))

trials <- function(i, eta) dbinom(cbpp$incidence[i], cbpp$size[i], plogis(eta))
herds <- cbind(incidence, size - incidence) ~ period + (1 | herd)
. <- one("cbpp new", herds, cbpp, 1:7, binomial(), trials)
cat(",\n")
. <- one("cbpp known", herds, cbpp, seq(2, 56, by = 5), binomial(), trials)
cat(",\n")

persons <- subset(VerbAgg, as.integer(id) <= 60)
persons$y <- as.numeric(persons$r2 == "Y")
answers <- function(i, eta) dbinom(persons$y[i], 1, plogis(eta))
crossed <- y ~ Anger + Gender + btype + (1 | id) + (1 | item)
held <- which(as.integer(persons$id) %in% c(3, 17, 40))
p <- one("VerbAgg new", crossed, persons, held, binomial(), answers)
cat(",\n")
y <- persons$y[held]
r <- rank(p)
area <- (sum(r[y == 1]) - sum(y) * (sum(y) + 1) / 2) / (sum(y) * sum(1 - y))
cat(sprintf('  "VerbAgg area": %.12f,\n', area))
. <- one("VerbAgg known", crossed, persons, seq(5, 1440, by = 37), binomial(), answers)
cat(",\n")

epil <- MASS::epil
counts <- function(i, eta) dpois(epil$y[i], exp(eta))
slopes <- y ~ lbase * trt + lage + V4 + (1 + V4 | subject)
. <- one("epil new", slopes, epil, 1:8, poisson(), counts)
cat(",\n")
. <- one("epil known", slopes, epil, seq(3, 236, by = 11), poisson(), counts)
cat("\n}\n")
