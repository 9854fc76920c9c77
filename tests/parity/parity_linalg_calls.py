"""Calls of torch.linalg and its kin beside torch: shapes, dtypes, names of results, values, and the class of an error.

Letters make the arguments: F float32, D float64, H float16, I int64, I8 int32, B bool, N NaN, P a positive matrix.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import minitorch

ARGUMENTS = "I(3,3) H(3,3) F(3) F(2,3) F(0,0) F(2,0,0) F() N(3,3) F(2,3,3)*0 None 1.5 B(3,3) F(3,3)".split()  # noqa: SIM905
SECOND = "F(3,3) F(3) D(3,3) F(4,3) None".split()  # noqa: SIM905
ONE = """
    linalg.inv linalg.det linalg.slogdet linalg.svd linalg.svdvals linalg.qr linalg.eigh linalg.eigvalsh linalg.cholesky
    linalg.cholesky_ex linalg.inv_ex linalg.pinv linalg.matrix_rank linalg.cond linalg.matrix_exp linalg.norm
    linalg.vector_norm linalg.matrix_norm linalg.lu_factor linalg.lu linalg.lu_factor_ex linalg.vander linalg.tensorinv det
    logdet slogdet inverse pinverse qr svd cholesky cholesky_inverse matrix_exp vander geqrf lu
""".split()  # noqa: SIM905
TWO = """
    linalg.solve linalg.solve_ex linalg.lstsq linalg.tensorsolve linalg.cross linalg.vecdot linalg.householder_product
    cross cholesky_solve orgqr triangular_solve
""".split()  # noqa: SIM905
CALLS = """
    F(3,3).det()
    F(3,3).logdet()
    F(3,3).slogdet()
    F(3,3).inverse()
    F(3,3).pinverse()
    F(3,3).qr()
    F(3,3).svd()
    F(3,3).cholesky_inverse()
    F(3,3).matrix_exp()
    F(3,3).trace()
    F(3,3).geqrf()
    F(3,3).lu()
    F(3,3).norm()
    L.linalg.norm(F(3,3),"fro",dim=0)
    L.linalg.norm(F(3,3),"nuc")
    L.linalg.norm(F(3),"nuc")
    L.linalg.norm(F(2,3,3),2)
    L.linalg.norm(F(2,3,3),2,dim=(0,1,2))
    L.linalg.norm(F(2,3,3),dim=(0,1,2))
    L.linalg.norm(F(3,3),3)
    L.linalg.norm(F(3,3),"x")
    L.linalg.norm(F(3,3),dim=5)
    L.linalg.norm(F(3,3),dim=(0,0))
    L.linalg.norm(F(3,3),ord=2,dim=(0,0))
    L.linalg.norm(F(3,3),dtype=L.float64)
    L.linalg.norm(D(3,3),dtype=L.float32)
    L.linalg.norm(F(3,3),dtype=L.int64)
    L.linalg.matrix_norm(F(3,3),3)
    L.linalg.matrix_norm(F(3,3),"x")
    L.linalg.matrix_norm(F(3,3),2,dim=0)
    L.linalg.matrix_norm(F(3,3),2,dim=(0,))
    L.linalg.matrix_norm(F(3,3),"fro",dim=(0,0))
    L.linalg.matrix_norm(F(3,3),1,dim=(0,3))
    L.linalg.matrix_norm(F(3,3),None)
    L.linalg.matrix_norm(F(3,3),2,keepdim=1)
    L.linalg.vector_norm(F(3,3),"fro")
    L.linalg.vector_norm(F(3,3),None)
    L.linalg.vector_norm(F(3,3),True)
    L.linalg.vector_norm(F(3,3),2,dim=(0,0))
    L.linalg.vector_norm(F(0),INF)
    L.linalg.vector_norm(F(0),-1.0)
    L.linalg.vector_norm(F(0),2)
    L.linalg.vector_norm(F(3,0),INF,dim=1)
    L.linalg.vector_norm(F(3,0),INF,dim=0)
    L.linalg.qr(F(3,3),"x")
    L.linalg.qr(F(3,3),mode=1)
    L.linalg.svd(F(3,3),1)
    L.linalg.svd(F(3,3),driver="gesvd")
    L.linalg.eigh(F(3,3),"X")
    L.linalg.eigh(F(3,3),"u")
    L.linalg.eigh(F(3,3),UPLO="U")
    L.linalg.cond(F(3,3),3)
    L.linalg.cond(F(2,3),1)
    L.linalg.cond(F(2,3),"fro")
    L.linalg.cond(F(3,3),"x")
    L.linalg.cond(F(3,3),"nuc")
    L.linalg.cond(F(3,3)*0,1)
    L.linalg.cond(F(3,3)*0)
    L.linalg.cond(F(0,0),1)
    L.linalg.cond(F(0,3,3),1)
    L.linalg.matrix_rank(F(3,3),0.1)
    L.linalg.matrix_rank(F(3,3),tol=0.1)
    L.linalg.matrix_rank(F(3,3),atol=0.1,rtol=0.2)
    L.linalg.matrix_rank(F(3,3),L.tensor(0.5))
    L.linalg.matrix_rank(F(2,3,3),atol=L.tensor([0.1,5.]))
    L.linalg.matrix_rank(F(3,3),"x")
    L.linalg.matrix_rank(F(2,3),hermitian=True)
    L.linalg.matrix_rank(F(3,3),0.1,True)
    L.linalg.matrix_rank(F(0,3))
    L.linalg.pinv(F(3,3),0.5)
    L.linalg.pinv(F(3,3),rcond=0.5)
    L.linalg.pinv(F(3,3),L.tensor(0.5))
    L.linalg.pinv(F(2,3,3),L.tensor([0.5,0.1]))
    L.linalg.pinv(F(3,3),atol=0.5)
    L.linalg.pinv(F(3,3),rtol=0.5)
    L.linalg.pinv(F(2,3,3),atol=L.tensor([0.,0.5]))
    L.linalg.pinv(F(2,3),hermitian=True)
    L.linalg.pinv(F(3,3),hermitian=True)
    L.pinverse(F(3,3),0.3)
    L.linalg.multi_dot([F(3,3)])
    L.linalg.multi_dot([])
    L.linalg.multi_dot(F(3,3))
    L.linalg.multi_dot([F(3,3),D(3,3)])
    L.linalg.multi_dot([F(3,3),F(2,3)])
    L.linalg.multi_dot([F(3),F(3,3),F(3)])
    L.linalg.multi_dot([F(3),F(3)])
    L.linalg.multi_dot([F(3,3),F(3),F(3,3)])
    L.linalg.multi_dot([F(2,3,3),F(3,3)])
    L.linalg.multi_dot([F(3,3),None])
    L.linalg.multi_dot((F(2,3),F(3,4),F(4,1)))
    L.linalg.multi_dot([I(3,3),I(3,3)])
    L.linalg.cross(F(2,3),F(2,3),dim=0)
    L.linalg.cross(F(2,3),F(1,3))
    L.linalg.cross(I(2,3),F(2,3))
    L.linalg.cross(I(2,3),I(2,3))
    L.linalg.cross(F(2,3),F(2,3),1)
    L.cross(F(2,4),F(2,4))
    L.cross(F(3,3),F(3,3),1)
    L.cross(F(2,3),F(2,3),dim=5)
    L.cross(F(2,3),D(2,3))
    L.cross(F(3,2),F(3,1))
    F(2,3).cross(F(2,3))
    L.linalg.vander(F(3),N=1)
    L.linalg.vander(F(3),N=0)
    L.linalg.vander(F(3),N=2)
    L.linalg.vander(F(0))
    L.linalg.vander(F(3),N=-1)
    L.linalg.vander(I8(3),N=3)
    L.linalg.vander(B(3))
    L.vander(F(3),0)
    L.vander(F(3),-1)
    L.vander(F(3),5,True)
    L.vander(I(3))
    L.vander(I8(3))
    L.vander(B(3))
    L.vander(F(3),1)
    L.vander(H(3))
    L.linalg.tensorinv(F(4,2,2),ind=1)
    L.linalg.tensorinv(F(2,2,4),ind=2)
    L.linalg.tensorinv(F(3,3),ind=0)
    L.linalg.tensorinv(F(3,3),ind=-1)
    L.linalg.tensorinv(F(3,3),ind=1)
    L.linalg.tensorsolve(F(2,3,6),F(2,3))
    L.linalg.tensorsolve(F(2,6,3),F(2,3),dims=(1,))
    L.linalg.tensorsolve(F(2,6,3),F(2,3),dims=1)
    L.linalg.tensorsolve(F(6,2,3),F(6))
    L.linalg.matrix_power(F(3,3),-1)
    L.linalg.matrix_power(F(3,3),0)
    L.linalg.matrix_power(F(3,3)*0,-1)
    L.linalg.matrix_power(F(3,3),1.5)
    L.linalg.matrix_power(F(3),2)
    L.linalg.matrix_power(F(2,3),2)
    L.linalg.matmul(F(3,3),F(3,3))
    L.linalg.diagonal(F(2,3,3))
    L.linalg.diagonal(F(2,3,3),offset=1,dim1=0,dim2=1)
    L.linalg.diagonal(F(3))
    L.linalg.vecdot(F(2,3),F(4))
    L.linalg.vecdot(F(2,3),F(2,3),dim=0)
    L.linalg.vecdot(I(2,3),F(2,3))
    L.linalg.vecdot(I(2,3),I(2,3))
    L.linalg.vecdot(F(),F())
    L.linalg.vecdot(F(2,3),F(2,3),dim=3)
    L.linalg.solve(F(3,3),F(3),left=False)
    L.linalg.solve(F(3,3),F(2,3),left=False)
    L.linalg.solve(F(2,3,3),F(2,3))
    L.linalg.solve(F(2,3,3),F(3,2))
    L.linalg.solve(F(2,3,3),F(3))
    L.linalg.solve(F(3,3),F(2,3,1))
    L.linalg.solve(F(2,3,3),F(4,3,1))
    L.linalg.solve(F(3,3),I(3,3))
    L.linalg.solve(F(3,3)*0,F(3),left=True)
    L.linalg.solve_ex(F(3,3)*0,F(3,1),check_errors=True)
    L.linalg.inv_ex(F(3,3)*0,check_errors=True)
    L.linalg.cholesky_ex(F(3,3)*0-1,check_errors=True)
    L.linalg.cholesky(P(3),upper=True)
    L.linalg.cholesky(P(3),True)
    L.linalg.cholesky(-P(3))
    L.cholesky(P(3),True)
    L.cholesky_solve(F(3,2),P(3),True)
    L.cholesky_solve(F(3,2),P(3))
    L.cholesky_solve(F(3),P(3))
    L.cholesky_inverse(P(3),True)
    L.linalg.lstsq(F(4,3),F(4,2))
    L.linalg.lstsq(F(4,3),F(4))
    L.linalg.lstsq(F(2,4,3),F(2,4))
    L.linalg.lstsq(F(4,3),F(4,2),driver="gelsd")
    L.linalg.lstsq(F(4,3),F(4,2),driver="gels")
    L.linalg.lstsq(F(4,3),F(4),driver="gelss")
    L.linalg.lstsq(F(3,4),F(3,2),driver="gelsd")
    L.linalg.lstsq(F(4,3),F(4,2),driver="x")
    L.linalg.lstsq(F(4,3),F(4,2),0.5)
    L.linalg.lstsq(F(4,3),F(4,2),rcond=0.5,driver="gelsd")
    L.linalg.lstsq(F(0,3),F(0,2))
    L.linalg.lstsq(F(3,0),F(3,2))
    L.linalg.lstsq(F(4,3)*0,F(4,2))
    L.linalg.lstsq(F(4,3)*0,F(4,2),driver="gelsd")
    L.linalg.lstsq(F(0,4,3),F(0,4,2))
    L.linalg.svd(F(2,3),full_matrices=True)
    L.linalg.svd(F(2,0))
    L.linalg.svd(F(2,0),False)
    L.linalg.svd(F(0,2,3))
    L.linalg.svdvals(F(2,0))
    L.svd(F(3,2),False)
    L.svd(F(3,2),True,False)
    L.svd(F(3,2),some=False,compute_uv=False)
    L.qr(F(4,3),False)
    L.qr(F(4,3),some=True)
    L.linalg.qr(F(4,3),"r")
    L.linalg.qr(F(4,3),mode="complete")
    L.linalg.qr(F(0,3))
    L.linalg.qr(F(3,0),"complete")
    L.linalg.qr(F(3,0))
    L.linalg.qr(F(3,0),"r")
    L.linalg.qr(F(0,3),"complete")
    L.lu(F(4,3))
    L.lu(F(4,3),get_infos=True)
    L.lu(F(4,3),False)
    L.linalg.lu(F(3,4))
    L.linalg.lu_factor(F(0,3))
    L.linalg.lu_factor_ex(F(3,3)*0)
    L.linalg.lu_factor_ex(F(3,3)*0,check_errors=True)
    L.lu_unpack(F(3,3),L.tensor([2,2,3]).int())
    L.lu_unpack(F(3,3),L.tensor([2,2,3]).int(),False)
    L.lu_unpack(F(3,3),L.tensor([2,2,3]))
    L.linalg.lu_solve(F(3,3),L.tensor([2,2,3]).int(),F(3,2))
    L.linalg.lu_solve(F(3,3),L.tensor([2,2,3]).int(),F(2,3),left=False,adjoint=True)
    L.lu_solve(F(3,2),F(3,3),L.tensor([2,2,3]).int())
    L.linalg.lu_solve(F(3,3),L.tensor([2,2]).int(),F(3,2))
    L.linalg.lu_solve(F(3,3),L.tensor([2,2,3]).int(),F(3))
    L.lu_unpack(F(3,3),L.tensor([2,2,9]).int())
    L.linalg.lu_solve(F(3,3),L.tensor([2,2,9]).int(),F(3,2))
    L.ormqr(F(3,3),F(3),F(3,2))
    L.ormqr(F(3,3),F(3),F(2,3),left=False)
    L.ormqr(F(3,3),F(3),F(3,2),True,True)
    L.ormqr(F(3,3),F(4),F(3,2))
    L.ormqr(F(3,3),F(3),F(2,2))
    L.orgqr(F(3,3),F(2))
    F(3,3).orgqr(F(3))
    L.triangular_solve(F(3,2),F(3,3),False,True,True)
    F(3,2).triangular_solve(F(3,3))
    L.norm(F(3,3),"nuc")
    L.norm(F(2,3,3),"nuc",dim=(1,2))
    L.norm(F(2,3,3),"nuc")
    L.norm(F(3),"nuc")
    L.norm(F(3,3),"nuc",keepdim=True)
    L.norm(F(3,3),"fro",dim=(0,1))
    L.norm(F(2,3,3),"fro",dim=(0,1))
    L.norm(F(3,3),"nuc",dim=0)
    L.norm(F(3,3),"x")
    F(3,3).norm("nuc")
    F(3,3).norm(p="nuc",dim=(0,1),keepdim=True)
    L.norm(I(3,3),"nuc")
    L.norm(F(3,3),"nuc",dtype=L.float64)
    L.linalg.inv(A=F(3,3))
    L.linalg.det(A=F(3,3))
    L.det(input=F(3,3))
    L.inverse(input=F(3,3))
    L.logdet(input=F(3,3))
    L.linalg.solve(A=F(3,3),B=F(3))
    L.linalg.cross(input=F(3),other=F(3))
    L.linalg.vecdot(x=F(3),y=F(3))
    L.linalg.vector_norm(x=F(3))
    L.linalg.matrix_rank(A=F(3,3))
    L.linalg.matrix_rank(input=F(3,3),tol=.1)
    L.linalg.pinv(A=F(3,3))
    L.linalg.pinv(input=F(3,3),rcond=.1)
    L.linalg.tensorinv(A=F(3,3),ind=1)
    L.linalg.tensorsolve(A=F(3,3),B=F(3))
    L.linalg.tensorsolve(F(3,3),other=F(3))
    L.linalg.multi_dot(tensors=[F(3,3),F(3,3)])
    L.linalg.householder_product(A=F(3,3),tau=F(3))
    L.linalg.householder_product(input=F(3,3),tau=F(3))
    L.linalg.lstsq(A=F(3,3),B=F(3,3))
    L.linalg.lstsq(input=F(3,3),b=F(3,3))
    L.linalg.matrix_exp(A=F(3,3))
    L.matrix_exp(input=F(3,3))
    L.linalg.matrix_power(A=F(3,3),n=2)
    L.matrix_power(input=F(3,3),n=2)
    L.linalg.vander(x=F(3))
    L.vander(x=F(3))
    L.cholesky(input=P(3))
    L.cholesky_inverse(input=P(3))
    L.cholesky_solve(input=F(3,2),input2=P(3))
    L.lu_solve(input=F(3,2),LU_data=F(3,3),LU_pivots=L.tensor([1,2,3]).int())
    L.lu_solve(F(3,2),LU_data=F(3,3),LU_pivots=L.tensor([1,2,3]).int())
    L.triangular_solve(input=F(3,2),A=F(3,3))
    L.ormqr(input=F(3,3),input2=F(3),input3=F(3,2))
    L.orgqr(input=F(3,3),input2=F(3))
    L.ger(input=F(3),vec2=F(3))
    L.geqrf(input=F(3,3))
    L.slogdet(input=F(3,3))
    L.slogdet(A=F(3,3))
    L.det(A=F(3,3))
    L.pinverse(input=F(3,3))
    L.svd(input=F(3,3))
    L.qr(input=F(3,3))
    L.trace(input=F(3,3))
    L.linalg.svd(A=F(3,3))
    L.linalg.matmul(input=F(3,3),other=F(3,3))
    L.linalg.diagonal(A=F(3,3))
    L.linalg.eigh(A=P(3))
    L.linalg.cond(A=F(3,3),p="fro")
    L.linalg.norm(A=F(3,3))
    L.linalg.matrix_norm(A=F(3,3))
    L.linalg.lu_solve(LU=F(3,3),pivots=L.tensor([1,2,3]).int(),B=F(3,2))
    L.chain_matmul(F(3,3),F(3,3))
    L.linalg.qr(F(3,3),out=(L.empty(0),L.empty(0))).Q
    L.linalg.inv(F(3,3),out=L.empty(0))
    L.linalg.solve(F(3,3),F(3),out=L.empty(0))
    L.linalg.det(F(3,3),out=L.empty(0))
    L.det(F(3,3),out=L.empty(0))
    L.linalg.svdvals(F(3,3),out=L.empty(0))
    L.linalg.inv(F(3,3),out=L.empty(0,dtype=L.int64))
    L.linalg.eigh(P(3),out=(L.empty(0),L.empty(0)))
    L.linalg.norm(F(3,3),out=L.empty(0))
    L.linalg.lstsq(F(3,3),F(3,3),out=(L.empty(0),))
    L.linalg.matrix_exp(F(3,3),out=L.empty(0))
    L.linalg.vander(F(3),out=L.empty(0))
    L.cross(F(3),F(3),out=L.empty(0))
    L.linalg.diagonal(F(3,3),out=L.empty(0))
    L.logdet(F(3,3),out=L.empty(0))
    L.pinverse(F(3,3),out=L.empty(0))
    L.slogdet(F(3,3),out=(L.empty(0),L.empty(0)))
    L.inverse(F(3,3),out=L.empty(0))
    L.lu(F(3,3),out=(L.empty(0),L.empty(0)))
    L.geqrf(F(3,3),out=(L.empty(0),L.empty(0)))
    L.qr(F(3,3),out=(L.empty(0),L.empty(0)))
    L.linalg.multi_dot([F(3,3),F(3,3)],out=L.empty(0))
    L.linalg.matrix_rank(F(3,3),out=L.empty(0,dtype=L.int64))
"""
CALLS = [
    *(f"L.{name}({a})" for name in ONE for a in ARGUMENTS),
    *(f"L.{name}({a},{b})" for name in TWO for a in ARGUMENTS for b in [*SECOND, "F(2,3,3)", "F(2,3)", "F(0,0)"]),
    *(f"L.linalg.solve_triangular({a},{b},upper=True)" for a in ARGUMENTS for b in SECOND),
    *CALLS.split("\n")[1:-1],
]
INF = float("inf")
# Which differ on purpose: by parts of their text.
OURS = {
    "solve_triangular(N(3,3),D": "PyTorch takes two dtypes here, and reads the bits of one as the other",
    "solve_triangular(F(2,3,3)*0,D": "the same",
    "solve_triangular(F(3,3),D": "the same",
    "lstsq(N(3,3),F": "PyTorch fails inside LAPACK",
    "slogdet(N": "the sign of NaN is NumPy's",
    "householder_product(N": "NaN that is multiplied by 0 is NaN",
    "orgqr(N": "the same",
    "L.cholesky(I": "ints have the class of linalg.cholesky",
    "L.cholesky(B": "the same",
    "cond(F(3,3)*0,1)": "the inverse of a singular matrix is NaN",
    "lstsq(F(4,3),F(4,2),0.5)": "ranks are counted by singular values, PyTorch's by a triangle",
    "matrix_exp(H": "PyTorch's float16 is wrong",
    "trace(": "bools count as 0 and 1, see docs/design.md",
    "A=": "docs and code of PyTorch name the first argument differently: here it has both names",
    "input2=": "of reflections and their factors the names are those of the docs",
    "L.det(F(3,3),out": "it is the function of linalg, which has one",
    ",None)": "which of two wrong arguments is named first",
}


def made(L: Any) -> dict:
    """The letters of a call."""

    def F(*shape: int) -> Any:
        rng = np.random.default_rng(sum(shape) + 7 * len(shape))
        return L.from_numpy(np.asarray(rng.standard_normal(shape), np.float32))

    return {
        "L": L,
        "INF": INF,
        "F": F,
        "D": lambda *s: F(*s).double(),
        "H": lambda *s: F(*s).half(),
        "I": lambda *s: (F(*s) * 5).long(),
        "I8": lambda *s: (F(*s) * 5).int(),
        "B": lambda *s: F(*s) > 0,
        "N": lambda *s: F(*s) * float("nan"),
        "P": lambda n: F(n, n) @ F(n, n).mT + 4 * L.eye(n),
    }


def outcome(L: Any, call: str) -> tuple[str, Any]:
    """The class of the error, or the result."""
    try:
        return "", eval(call, made(L))
    except Exception as error:  # noqa: BLE001
        return type(error).__name__.lstrip("_"), str(error)


def parts(out: Any) -> list:
    """The tensors of a result."""
    return [t for part in out for t in parts(part)] if isinstance(out, list | tuple) else [out]


def differs(call: str) -> str:
    """What is not as torch has it, or nothing."""
    (raised, theirs), (own, ours) = outcome(torch, call), outcome(minitorch, call)
    if raised != own:
        return f"{raised or 'a result'} {theirs!s:.100}, here {own or 'a result'} {ours!s:.100}"
    if raised:
        return ""
    names = [n for n in dir(ours) if n[0] != "_" and n not in ("count", "index")] if isinstance(ours, tuple) else []
    missing = [n for n in names if not hasattr(theirs, n)]
    if missing or len(parts(theirs)) != len(parts(ours)):
        return f"names {missing} that PyTorch has not"
    for a, b in zip(parts(theirs), parts(ours), strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{a.dtype} {a.shape}, here {b.dtype} {b.shape}"
        signs = "svd(" in call or "eigh(" in call
        if not signs and "_ex(" not in call and not np.allclose(a, b, rtol=2e-3, atol=2e-3, equal_nan=True):
            return f"{a}, here {b}"
    return ""


def test_calls() -> None:
    """Every call of the table."""
    failures = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in CALLS:
            said = differs(call.strip()) if not any(part in call for part in OURS) else ""
            if said:
                failures.append(f"{call.strip()}: {said}")
    print(f"calls of linalg: cases {len(CALLS)}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:40])
