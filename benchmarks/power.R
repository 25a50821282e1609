# What a power curve takes in R. Arguments: program (lme4: simulate, refit and test in a loop, as simr
# does; simr: its powerSim), task (sleepstudy or factorial, which is lme4's alone), draws of each size,
# sizes separated by commas; of the factorial a CSV of its rows, theta, beta and sigma. Prints a line of
# JSON with CPU seconds and power of each size. Needs lme4 and lmerTest.
arguments <- commandArgs(TRUE)
program <- arguments[1]
suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(program, character.only = TRUE)
})
if (program == "simr") simrOptions(progress = FALSE)
task <- arguments[2]
draws <- as.integer(arguments[3])
sizes <- as.integer(strsplit(arguments[4], ",")[[1]])
data(sleepstudy, package = "lme4")
spent <- function() sum(proc.time()[c("user.self", "sys.self")])
set.seed(1)

extended <- function(data, group, size) {
  levels <- unique(as.character(data[[group]]))
  parts <- lapply(seq_len(size), function(i) {
    part <- data[data[[group]] == levels[(i - 1) %% length(levels) + 1], ]
    part[[group]] <- sprintf("g%04d", i)
    part
  })
  do.call(rbind, parts)
}

if (task == "sleepstudy") {
  f <- Reaction ~ Days + (Days | Subject)
  pilot <- lme4::lmer(f, sleepstudy)
  group <- "Subject"
  data <- sleepstudy
  beta <- c(fixef(pilot)[[1]], 5)
  parameters <- list(beta = beta, theta = getME(pilot, "theta"), sigma = sigma(pilot))
  tested <- "Days"
  test <- function(m) coef(summary(m, ddf = "Satterthwaite"))[tested, "Pr(>|t|)"]
} else {
  f <- logRT ~ G * D * C + RT2 + WL + (D + C + G | Participant) + (D + C + G | Item)
  group <- "Participant"
  data <- read.csv(arguments[5])
  theta <- as.numeric(strsplit(arguments[6], ",")[[1]])
  beta <- as.numeric(strsplit(arguments[7], ",")[[1]])
  parameters <- list(beta = beta, theta = theta, sigma = as.numeric(arguments[8]))
  tested <- "G:D:C"
  test <- function(m) 2 * pnorm(-abs(coef(summary(as(m, "lmerMod")))[tested, "t value"]))
}

by_loop <- function(size) {
  own <- extended(data, group, size)
  control <- lmerControl(calc.derivs = FALSE)
  names(parameters$beta) <- colnames(model.matrix(nobars(f)[-2], own))
  y <- suppressMessages(simulate(f[-2], newdata = own, newparams = parameters, nsim = draws,
                                 family = gaussian))
  p <- vapply(y, function(response) {
    own[[as.character(f[[2]])]] <- response
    test(suppressMessages(suppressWarnings(lmerTest::lmer(f, own, control = control))))
  }, 0)
  mean(p < 0.05)
}

by_simr <- function(size) {
  covariance <- matrix(VarCorr(pilot)$Subject, 2)
  planned <- makeLmer(f, beta, covariance, sigma(pilot), extended(sleepstudy, "Subject", size))
  found <- powerSim(planned, fixed("Days", "t"), nsim = draws)
  found$x / found$n
}

out <- lapply(sizes, function(size) {
  began <- spent()
  power <- if (program == "simr") by_simr(size) else by_loop(size)
  sprintf('{"size": %d, "draws": %d, "cpu": %.3f, "power": %.4f}', size, draws, spent() - began, power)
})
platform <- sprintf("R %s.%s with %s", R.version$major, R.version$minor, basename(extSoftVersion()[["BLAS"]]))
cat(sprintf('{"version": "%s", "platform": "%s", "points": [%s]}\n', packageVersion(program), platform,
            paste(out, collapse = ", ")))
